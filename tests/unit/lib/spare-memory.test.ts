import { expect, test, vi } from "vitest";
import { SpareMemory } from "../../../src/lib/spare-memory.ts";

const MIB = 1024 * 1024;

test("what was given back is taken again, in the size that is wanted, by one at a time", () => {
  const memory = new SpareMemory();
  const first = memory.take(3 * MIB);
  expect(memory.take(3 * MIB).buffer).not.toBe(first.buffer);
  memory.give(first.subarray(5, 7));
  const second = memory.take(2 * MIB);
  expect([second.buffer === first.buffer, second.length]).toEqual([true, 2 * MIB]);
  expect(memory.take(2 * MIB).buffer).not.toBe(first.buffer);
});

test("the larger of two is kept", () => {
  const memory = new SpareMemory();
  const [small, large, last] = [memory.take(1 * MIB), memory.take(2 * MIB), memory.take(1 * MIB)];
  for (const piece of [small, large, last]) memory.give(piece);
  expect(memory.take(1).buffer).toBe(large.buffer);
});

test("what is none of ours, too large or not large enough is not used", () => {
  const memory = new SpareMemory();
  for (const stranger of [Buffer.alloc(3 * MIB), Buffer.from("x"), memory.take(17 * MIB)]) memory.give(stranger);
  const small = memory.take(1 * MIB);
  memory.give(small);
  expect(memory.take(2 * MIB).buffer).not.toBe(small.buffer);
});

test("nothing is kept that nobody has taken for a second", () => {
  vi.useFakeTimers();
  try {
    const memory = new SpareMemory();
    const first = memory.take(1 * MIB);
    memory.give(first);
    vi.advanceTimersByTime(1001);
    expect(memory.take(1 * MIB).buffer).not.toBe(first.buffer);
  } finally {
    vi.useRealTimers();
  }
});
