import { expect, test } from "vitest";
import { giveFrame, joinedFrame, takeFrame } from "../../../src/lib/frame-pool.ts";

const KIB = 1024;

/** Takes everything that other tests have left there. */
function emptyPool(): void {
  for (let index = 0; index < 10; index += 1) takeFrame(200 * KIB);
}

test("a frame that was given back is used again, in the size that is wanted", () => {
  emptyPool();
  const first = takeFrame(200 * KIB);
  giveFrame(first);
  const second = takeFrame(100 * KIB);
  expect([second.buffer === first.buffer, second.length]).toEqual([true, 100 * KIB]);
  expect(takeFrame(100 * KIB).buffer).not.toBe(first.buffer);
});

test("a part of a frame gives the whole back", () => {
  emptyPool();
  const first = takeFrame(200 * KIB);
  giveFrame(first.subarray(10, 20));
  expect(takeFrame(200 * KIB).buffer).toBe(first.buffer);
});

test("small frames, very large ones and what is none of ours are not kept", () => {
  emptyPool();
  const strangers = [takeFrame(10), takeFrame(1024 * KIB), Buffer.alloc(352 * KIB)];
  for (const stranger of strangers) giveFrame(stranger);
  const given = strangers.map(({ buffer }) => buffer);
  for (const bytes of [200 * KIB, 1024 * KIB]) {
    const taken = takeFrame(bytes);
    expect([taken.length, given.includes(taken.buffer)]).toEqual([bytes, false]);
  }
});

test("no more are kept than a few busy streams need", () => {
  emptyPool();
  const given = Array.from({ length: 20 }, () => takeFrame(200 * KIB));
  for (const frame of given) giveFrame(frame);
  const again = Array.from({ length: 20 }, () => takeFrame(200 * KIB));
  const kept = again.filter(({ buffer }) => given.some((frame) => frame.buffer === buffer));
  expect(kept.length).toBe(4);
  expect(new Set(kept.map(({ buffer }) => buffer)).size).toBe(4);
});

test("a frame of pieces is a copy of them, one behind the other", () => {
  const pieces = [Buffer.alloc(30 * KIB, "a"), Buffer.from("b"), Buffer.alloc(0), Buffer.alloc(30 * KIB, "c")];
  const frame = joinedFrame(pieces);
  const expected = Buffer.concat(pieces);
  for (const piece of pieces) piece.fill("x");
  expect(frame.equals(expected)).toBe(true);
  expect(joinedFrame([]).length).toBe(0);
});
