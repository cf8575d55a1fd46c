import { afterEach, expect, test, vi } from "vitest";
import { StartGarbage } from "../../../src/host/start-garbage.ts";
import { createLogger, type Logger } from "../../../src/log.ts";

const LOOK_MS = 1000;

afterEach(() => {
  vi.useRealTimers();
});

function logInto(lines: string[]): Logger {
  return createLogger({ level: "warn", format: "json", write: (line) => lines.push(line) });
}

test("what nobody holds is collected when all has started and nobody asks", async () => {
  const lines: string[] = [];
  using garbage = new StartGarbage({ log: logInto(lines) });
  const left = new WeakRef({ some: "thing" });
  garbage.begin();
  await expect.poll(() => left.deref() === undefined, { timeout: 20_000 }).toBe(true);
  expect([lines, globalThis.gc]).toEqual([[], undefined]);
});

test("it happens once, and not while somebody is answered", () => {
  vi.useFakeTimers();
  const giveBack = vi.fn(() => Promise.resolve());
  using garbage = new StartGarbage({ log: logInto([]), giveBack });
  garbage.begin();
  for (let round = 0; round < 3; round += 1) {
    garbage.noteWork();
    vi.advanceTimersByTime(LOOK_MS);
  }
  expect(giveBack).toHaveBeenCalledTimes(0);
  vi.advanceTimersByTime(5 * LOOK_MS);
  expect(giveBack).toHaveBeenCalledTimes(1);
});

test("a daemon that ends meanwhile leaves it", () => {
  vi.useFakeTimers();
  const giveBack = vi.fn(() => Promise.resolve());
  const garbage = new StartGarbage({ log: logInto([]), giveBack });
  garbage[Symbol.dispose]();
  garbage.begin();
  vi.advanceTimersByTime(5 * LOOK_MS);
  expect(giveBack).toHaveBeenCalledTimes(0);
});

test("that it cannot be is a line in the log", async () => {
  vi.useFakeTimers();
  const lines: string[] = [];
  using garbage = new StartGarbage({ log: logInto(lines), giveBack: () => Promise.reject(new Error("no")) });
  garbage.begin();
  await vi.advanceTimersByTimeAsync(LOOK_MS);
  expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(["memory.not_returned"]);
});
