import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ProgramClock } from "../../../src/lib/program-clock.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("its timers and its time stand still while programs are frozen", () => {
  const clock = new ProgramClock();
  const callback = vi.fn();
  clock.timeout(callback, 5000);
  vi.advanceTimersByTime(2000);
  const before = clock.now();
  clock.freeze();
  clock.freeze();
  vi.advanceTimersByTime(600_000);
  expect([clock.now() - before, vi.getTimerCount()]).toEqual([0, 0]);
  clock.thaw();
  clock.thaw();
  vi.advanceTimersByTime(2999);
  expect(callback).toHaveBeenCalledTimes(0);
  vi.advanceTimersByTime(1);
  vi.advanceTimersByTime(60_000);
  expect(callback).toHaveBeenCalledTimes(1);
});

test("a timer that begins while they are frozen has all of its time afterwards", () => {
  const clock = new ProgramClock();
  const callback = vi.fn();
  clock.freeze();
  clock.timeout(callback, 100);
  vi.advanceTimersByTime(1000);
  clock.thaw();
  vi.advanceTimersByTime(99);
  expect(callback).toHaveBeenCalledTimes(0);
  vi.advanceTimersByTime(1);
  expect(callback).toHaveBeenCalledTimes(1);
});

test("what is disposed meanwhile never calls back", () => {
  const clock = new ProgramClock();
  const callback = vi.fn();
  const timer = clock.timeout(callback, 100);
  clock.freeze();
  timer[Symbol.dispose]();
  clock.thaw();
  vi.advanceTimersByTime(1000);
  expect([callback.mock.calls.length, vi.getTimerCount()]).toEqual([0, 0]);
});

test("a deadline rejects with what it is given, and leaves no timer when the promise was first", async () => {
  const clock = new ProgramClock();
  const never = Promise.withResolvers<never>().promise;
  const late = clock.withDeadline(never, 100, () => new Error("too late"));
  late.catch(() => undefined);
  vi.advanceTimersByTime(100);
  await expect(late).rejects.toThrow("too late");
  await expect(clock.withDeadline(Promise.resolve(7), 100, () => new Error("too late"))).resolves.toBe(7);
  expect(vi.getTimerCount()).toBe(0);
});
