import { expect, test } from "vitest";
import { BLOCK_BYTES, giveBlock, takeBlock } from "../../../src/runs/block-pool.ts";

const MOST_KEPT = 64;

/** Takes everything that other tests have left there. */
function emptyPool(): void {
  for (let index = 0; index < MOST_KEPT; index += 1) takeBlock(BLOCK_BYTES);
}

test("a block that was given back is used again", () => {
  emptyPool();
  const block = takeBlock(BLOCK_BYTES);
  giveBlock(block);
  expect(takeBlock(BLOCK_BYTES)).toBe(block);
  expect(takeBlock(BLOCK_BYTES)).not.toBe(block);
});

test("small blocks are not kept", () => {
  emptyPool();
  const small = takeBlock(2048);
  giveBlock(small);
  expect(small.length).toBe(2048);
  expect([takeBlock(2048), takeBlock(BLOCK_BYTES)].map(({ buffer }) => buffer)).not.toContain(small.buffer);
});

test("no more are kept than one run may have waiting for the disk", () => {
  emptyPool();
  const given = Array.from({ length: MOST_KEPT + 10 }, () => takeBlock(BLOCK_BYTES));
  for (const block of given) giveBlock(block);
  const again = Array.from({ length: MOST_KEPT + 10 }, () => takeBlock(BLOCK_BYTES));
  const kept = new Set(again.filter((block) => given.includes(block)));
  expect(kept.size).toBe(MOST_KEPT);
});
