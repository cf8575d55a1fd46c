import { expect, test } from "vitest";
import { HeldParts } from "../../../src/kernels/held-parts.ts";
import { cpuMilliseconds } from "../../helpers/cpu-milliseconds.ts";

const hold = (count: number): HeldParts<number> => {
  const held = new HeldParts<number>(() => 1);
  for (let part = 1; part <= count; part += 1) held.push(part);
  return held;
};

/** Holds so many parts at a time, and takes them one by one. */
function takeEach(...counts: number[]): void {
  for (const count of counts) for (const held = hold(count); !held.isEmpty; held.shift());
}

test("parts come out in their order, however many went in between, and cost what is left of them", () => {
  const held = hold(5000);
  const { costBytes } = held;
  const taken: (number | undefined)[] = [];
  for (let part = 5001; part <= 8000; part += 1) {
    taken.push(held.shift());
    held.push(part);
  }
  expect([held.first, held.isEmpty, held.costBytes]).toEqual([3001, false, costBytes]);
  while (!held.isEmpty) taken.push(held.shift());
  expect(taken).toEqual(Array.from({ length: 8000 }, (_, index) => index + 1));
  expect([held.shift(), held.first, held.costBytes]).toEqual([undefined, undefined, 0]);
});

test("all that are left can be taken at once", () => {
  const held = hold(10);
  held.shift();
  expect(held.takeAll()).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect([held.isEmpty, held.costBytes, held.takeAll()]).toEqual([true, 0, []]);
});

test("to take many takes no time of another order than to take few", () => {
  const few = Array.from({ length: 100 }, () => 1000);
  takeEach(...few);
  expect(cpuMilliseconds(() => takeEach(100_000))).toBeLessThan(20 * (cpuMilliseconds(() => takeEach(...few)) + 2));
});
