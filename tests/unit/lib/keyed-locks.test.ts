import { expect, test } from "vitest";
import { KeyedLocks } from "../../../src/lib/keyed-locks.ts";

test("who gives up waiting leaves the turn to the next, and nobody else's key is waited for", async () => {
  const locks = new KeyedLocks();
  const first = await locks.lock("a");
  const leaving = new AbortController();
  const second = locks.lock("a", leaving.signal);
  const third = locks.lock("a");
  using other = await locks.lock("b");
  expect([first.hasWaited, other.hasWaited]).toEqual([false, false]);
  leaving.abort(new Error("left"));
  await expect(second).rejects.toThrow("left");
  first[Symbol.dispose]();
  using turn = await third;
  expect(turn.hasWaited).toBe(true);
});
