import { expect, test } from "vitest";
import { CYCLES } from "../helpers/cycles.ts";
import { startForkedDaemon } from "../helpers/forked-daemon.ts";
import { describeReport, KEPT_RUNS_ARGV, measureCycles } from "../helpers/holdings.ts";

// The long form, which also judges memory, is in tests/soak.
test.each([
  { kind: "spawns", warmUp: 60, count: 240 },
  { kind: "terminals", warmUp: 20, count: 60 },
] as const)("$count $kind leave no descriptor, process or zombie behind", async ({ kind, warmUp, count }) => {
  await using daemon = await startForkedDaemon(KEPT_RUNS_ARGV);
  const plan = { cycles: CYCLES[kind], warmUp, count, every: count, concurrency: 4 };
  const report = await measureCycles(daemon, plan);
  console.log(describeReport(kind, report));
  expect(report.after).toEqual(report.before);
  expect(report.leftovers).toEqual([]);
  expect((await daemon.log()).troubles).toEqual([]);
});
