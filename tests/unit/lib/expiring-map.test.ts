import { expect, test } from "vitest";
import { ExpiringMap } from "../../../src/lib/expiring-map.ts";

function createMap(maxEntries = 3): { map: ExpiringMap<string, number>; clock: { now: number } } {
  const clock = { now: 0 };
  return { map: new ExpiringMap({ maxAgeMs: 100, maxEntries, now: () => clock.now }), clock };
}

test("gives back what it holds until it is too old", () => {
  const { map, clock } = createMap();
  map.set("a", 1);
  clock.now = 99;
  expect(map.get("a")).toBe(1);
  clock.now = 101;
  expect([map.get("a"), map.size]).toEqual([undefined, 0]);
});

test("drops only what is too old", () => {
  const { map, clock } = createMap();
  map.set("a", 1);
  clock.now = 60;
  map.set("b", 2);
  clock.now = 120;
  expect([map.get("a"), map.get("b"), map.size]).toEqual([undefined, 2, 1]);
});

test("a replaced entry is as young as a new one, and no longer the oldest", () => {
  const { map, clock } = createMap();
  map.set("a", 1);
  map.set("b", 2);
  clock.now = 90;
  map.set("a", 3);
  map.set("c", 4);
  map.set("d", 5);
  expect([map.get("a"), map.get("b"), map.get("c"), map.get("d")]).toEqual([3, undefined, 4, 5]);
  clock.now = 150;
  expect(map.get("a")).toBe(3);
});

test("the oldest goes when there are too many", () => {
  const { map } = createMap(2);
  for (const [index, key] of ["a", "b", "c"].entries()) map.set(key, index);
  expect([map.get("a"), map.get("b"), map.get("c"), map.size]).toEqual([undefined, 1, 2, 2]);
});

test("reading makes nothing younger", () => {
  const { map, clock } = createMap(2);
  map.set("a", 1);
  clock.now = 99;
  map.get("a");
  clock.now = 101;
  expect(map.get("a")).toBeUndefined();
});

test("deleting says whether there was something", () => {
  const { map } = createMap();
  map.set("a", 1);
  expect([map.delete("a"), map.delete("a"), map.get("a")]).toEqual([true, false, undefined]);
});

test("counts time by a clock that never goes backwards when none is given", () => {
  const map = new ExpiringMap<string, number>({ maxAgeMs: 60_000, maxEntries: 2 });
  map.set("a", 1);
  expect(map.get("a")).toBe(1);
});
