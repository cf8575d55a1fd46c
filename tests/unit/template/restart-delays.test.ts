import { expect, test } from "vitest";
import { RestartDelays } from "../../../src/template/restart-delays.ts";

test("delays double up to ten seconds, and begin anew after a run that has lasted longer than that", () => {
  const delays = new RestartDelays();
  const short = Array.from({ length: 9 }, () => delays.next(50));
  expect(short).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  expect([delays.next(10_000), delays.next(10_001), delays.next(0)]).toEqual([10_000, 100, 200]);
});
