import { expect, test } from "vitest";
import { CYCLES } from "../helpers/cycles.ts";
import { startForkedDaemon } from "../helpers/forked-daemon.ts";
import { describeReport, KEPT_RUNS_ARGV, measureCycles } from "../helpers/holdings.ts";

const MAX_BYTES_A_CYCLE = 1024;

test.each([
  { kind: "spawns", warmUp: 1000, count: 10_000, every: 200 },
  { kind: "terminals", warmUp: 1000, count: 2000, every: 40 },
] as const)(
  "$count $kind leave no descriptor, process or zombie behind, and memory stays what it was",
  async ({ kind, warmUp, count, every }) => {
    await using daemon = await startForkedDaemon(KEPT_RUNS_ARGV);
    const report = await measureCycles(daemon, { cycles: CYCLES[kind], warmUp, count, every, concurrency: 4 });
    console.log(describeReport(kind, report));
    expect(report.after).toEqual(report.before);
    expect(report.leftovers).toEqual([]);
    expect(report.rssSlope).toBeLessThan(MAX_BYTES_A_CYCLE);
    expect((await daemon.log()).troubles).toEqual([]);
  },
);
