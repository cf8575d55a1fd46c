import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { StartWork } from "../../src/start-work.ts";

const LONG_MS = 600_000;

afterEach(() => {
  vi.useRealTimers();
});

function startWork(firstAnswerMs?: number): { work: StartWork; begin: () => void } {
  const begin = vi.fn<() => void>();
  return { work: new StartWork({ begin, ...(firstAnswerMs !== undefined && { firstAnswerMs }) }), begin };
}

test("begins behind the first answer, once", async () => {
  const { work, begin } = startWork(LONG_MS);
  work.expectAnswer();
  work.noteAnswer();
  work.noteAnswer();
  expect(begin).toHaveBeenCalledTimes(0);
  await nextTurn();
  expect(begin).toHaveBeenCalledTimes(1);
  work.noteAnswer();
  await nextTurn();
  expect(begin).toHaveBeenCalledTimes(1);
});

test("begins without an answer when nobody asks", () => {
  vi.useFakeTimers();
  const { work, begin } = startWork();
  work.expectAnswer();
  vi.advanceTimersByTime(50);
  expect(begin).toHaveBeenCalledTimes(1);
  work.noteAnswer();
  vi.runAllTimers();
  expect(begin).toHaveBeenCalledTimes(1);
});

test("begins no earlier than the daemon says that its ports are open", async () => {
  const { work, begin } = startWork(0);
  work.noteAnswer();
  await nextTurn();
  expect(begin).toHaveBeenCalledTimes(0);
});

test.each(["an answer", "none"])("a daemon that ends meanwhile begins nothing, after %s", (answer) => {
  vi.useFakeTimers();
  const { work, begin } = startWork();
  work.expectAnswer();
  if (answer === "an answer") work.noteAnswer();
  work[Symbol.dispose]();
  vi.runAllTimers();
  work.noteAnswer();
  vi.runAllTimers();
  expect(begin).toHaveBeenCalledTimes(0);
});
