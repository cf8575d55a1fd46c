import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Turns } from "../../../src/lib/turns.ts";

test("few callers pass at once, the others a few in each turn of the loop, in order", async () => {
  const turns = new Turns(2);
  const passed: number[] = [];
  const all = Array.from({ length: 7 }, async (_, index) => {
    await turns.pass();
    passed.push(index);
  });
  await Promise.resolve();
  const seen = [[...passed]];
  while (passed.length < 7) {
    await turn();
    seen.push([...passed]);
  }
  await Promise.all(all);
  expect(seen.map(({ length }) => length)).toEqual([2, 4, 6, 7]);
  expect(passed).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("who asks alone never waits, and who comes while others wait comes after them", async () => {
  const turns = new Turns(1);
  for (let time = 0; time < 3; time += 1) {
    expect(turns.pass()).toBeUndefined();
    await turn();
  }
  expect(turns.pass()).toBeUndefined();
  const order: string[] = [];
  const second = turns.pass()?.then(() => order.push("second"));
  await turn();
  const third = turns.pass()?.then(() => order.push("third"));
  await Promise.all([second, third]);
  expect(order).toEqual(["second", "third"]);
});
