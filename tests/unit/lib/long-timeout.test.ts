import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { longTimeout } from "../../../src/lib/long-timeout.ts";

const SOURCE = new URL("../../../src/lib/long-timeout.ts", import.meta.url).href;
const DAY_MS = 24 * 3_600_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("calls back once, after a short time as after one that no single timer takes", () => {
  for (const delayMs of [1, 50, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 60 * DAY_MS, 365 * DAY_MS]) {
    const callback = vi.fn();
    using _timer = longTimeout(callback, delayMs);
    vi.advanceTimersByTime(Math.max(0, delayMs - 1));
    expect(callback).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(10 * DAY_MS);
    expect(callback).toHaveBeenCalledTimes(1);
  }
});

test("never calls back once it was disposed, also after the first of several timers", () => {
  const callback = vi.fn();
  const timer = longTimeout(callback, 60 * DAY_MS);
  vi.advanceTimersByTime(30 * DAY_MS);
  timer[Symbol.dispose]();
  timer[Symbol.dispose]();
  vi.advanceTimersByTime(60 * DAY_MS);
  expect([callback.mock.calls.length, vi.getTimerCount()]).toEqual([0, 0]);
});

test("does not keep a process alive", () => {
  vi.useRealTimers();
  const script = `import { longTimeout } from ${JSON.stringify(SOURCE)}; longTimeout(() => {}, 60_000); console.log("end");`;
  const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 50_000 });
  expect([stdout.toString(), signal]).toEqual(["end\n", null]);
});
