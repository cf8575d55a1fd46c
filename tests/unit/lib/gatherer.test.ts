import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Gatherer } from "../../../src/lib/gatherer.ts";

// The clock stands still unless a test moves it: no pause of the machine's is taken for one of the source's.
beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const KIB = 1024;

/** Whether the next piece goes out at once, in the next turn of the loop, or after a pause, which is waited for. */
async function next(gatherer: Gatherer, bytes: number): Promise<"at once" | "next turn" | "paused"> {
  let isSent = false;
  const sent = gatherer.sent(bytes).then(() => (isSent = true));
  await Promise.resolve();
  await Promise.resolve();
  if (isSent) return "at once";
  await nextTurn();
  if (isSent) return "next turn";
  await vi.advanceTimersByTimeAsync(1);
  await sent;
  return "paused";
}

async function nextOf(gatherer: Gatherer, pieces: readonly number[]): Promise<string[]> {
  const answers: string[] = [];
  for (const bytes of pieces) answers.push(await next(gatherer, bytes));
  return answers;
}

test("what comes alone is never delayed, however much it is in all", async () => {
  const gatherer = new Gatherer();
  for (let index = 0; index < 20; index += 1) {
    expect(await next(gatherer, 4 * KIB)).toBe("at once");
    vi.advanceTimersByTime(3);
  }
});

test("small pieces without a pause between them are gathered once they are many", async () => {
  const gatherer = new Gatherer();
  expect(await nextOf(gatherer, Array<number>(6).fill(4 * KIB))).toEqual([
    "at once",
    "at once",
    "at once",
    "paused",
    "paused",
    "paused",
  ]);
});

test("a pause of the source ends the gathering", async () => {
  const gatherer = new Gatherer();
  expect(await nextOf(gatherer, [16 * KIB, 16 * KIB])).toEqual(["paused", "paused"]);
  vi.advanceTimersByTime(3);
  expect(await next(gatherer, KIB)).toBe("at once");
});

test("a source that fills a pause with much more is not held back, and tried again after 256 pieces", async () => {
  const gatherer = new Gatherer();
  expect(await nextOf(gatherer, [16 * KIB, 128 * KIB])).toEqual(["paused", "next turn"]);
  expect(await nextOf(gatherer, Array<number>(255).fill(128 * KIB))).toEqual(Array<string>(255).fill("next turn"));
  expect(await next(gatherer, 128 * KIB)).toBe("paused");
});
