import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toText } from "../../../src/metrics/exposition.ts";
import { type ContextFigures, collectFamilies, type FiguresDeps, labelledPids } from "../../../src/metrics/figures.ts";
import { RequestTimes } from "../../../src/metrics/request-times.ts";
import type { MetricsSample } from "../../../src/metrics/sample.ts";
import { type RunsPlace, runsPlace } from "../../helpers/runs-place.ts";

let place: RunsPlace;
beforeEach(() => {
  place = runsPlace();
});
afterEach(() => place[Symbol.asyncDispose]());

const SAMPLE: MetricsSample = {
  at: new Date(),
  cpuCount: 2,
  cpuUsedPercent: 12.5,
  cpuWindowMs: 5000,
  cpuUsedMs: 1250,
  memory: { total: 1000, used: 600, cache: 300 },
  diskTotal: 5000,
  diskUsed: 4000,
  processes: 7,
  zombies: 3,
  descriptors: { open: 21, limit: 1024 },
  pressure: [
    { resource: "cpu", someSeconds: 1.5, fullSeconds: undefined },
    { resource: "io", someSeconds: 2.5, fullSeconds: 0.5 },
  ],
  residentBytes: new Map([[4711, 4096]]),
};

const context = (index: number, kernelPid?: number): ContextFigures => ({
  id: `c${index}`,
  language: "python",
  queueLength: index,
  idleMs: 1500,
  kernelPid,
});

/** All lines with values. */
function linesOf(sample: Partial<MetricsSample> = {}, deps: Partial<FiguresDeps> = {}): string[] {
  const families = collectFamilies(
    { ...SAMPLE, ...sample },
    {
      runs: place.runs,
      requestTimes: new RequestTimes(),
      contexts: () => [],
      watches: () => ({ used: 5, limit: 10 }),
      loopLagMs: () => 250,
      ...deps,
    },
  );
  return toText(families)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

describe("each family", () => {
  test("tells what was sampled", () => {
    expect(linesOf()).toEqual(
      expect.arrayContaining([
        "sandbox_cpus 2",
        "sandbox_cpu_used_ratio 0.125",
        "sandbox_cpu_seconds_total 1.25",
        "sandbox_memory_total_bytes 1000",
        "sandbox_memory_used_bytes 600",
        "sandbox_memory_cache_bytes 300",
        "sandbox_disk_total_bytes 5000",
        "sandbox_disk_used_bytes 4000",
        "sandbox_processes 7",
        "sandbox_zombies 3",
        'sandbox_pressure_some_seconds_total{resource="cpu"} 1.5',
        'sandbox_pressure_some_seconds_total{resource="io"} 2.5',
        'sandbox_pressure_full_seconds_total{resource="io"} 0.5',
        "guestd_open_descriptors 21",
        "guestd_max_descriptors 1024",
        "guestd_event_loop_lag_seconds 0.25",
        "guestd_watched_directories 5",
        "guestd_watched_directories_limit 10",
        'guestd_live_runs{kind="command"} 0',
        "guestd_finished_runs 0",
        "guestd_contexts 0",
      ]),
    );
  });

  test("is left out where there is nothing to tell", () => {
    const names = linesOf({ pressure: [] }, { loopLagMs: () => undefined }).join("\n");
    expect(names).not.toContain("sandbox_pressure");
    expect(names).not.toContain("guestd_event_loop_lag_seconds");
  });

  test("that is of now is left out when all that is known is the mean of a long time", () => {
    expect(linesOf({ cpuWindowMs: 3_600_000 }).join("\n")).not.toContain("sandbox_cpu_used_ratio");
    expect(linesOf({ cpuWindowMs: 3_600_000 })).toContain("sandbox_cpu_seconds_total 1.25");
  });
});

describe("a context", () => {
  test("is told with its cells, its idle time and its kernel's memory", () => {
    const lines = linesOf({}, { contexts: () => [context(1, 4711), context(2, 4712), context(3)] });
    const labels = 'context="c1",language="python"';
    expect(lines).toContain(`guestd_context_queued_cells{${labels}} 1`);
    expect(lines).toContain(`guestd_context_idle_seconds{${labels}} 1.5`);
    expect(lines.filter((line) => line.startsWith("guestd_context_resident"))).toEqual([
      `guestd_context_resident_memory_bytes{${labels}} 4096`,
    ]);
  });

  test("is one of the hundred newest, in all families", () => {
    const all = Array.from({ length: 130 }, (_, index) => context(index, 5000 + index));
    const residentBytes = new Map(all.map(({ kernelPid = 0 }) => [kernelPid, 1]));
    const lines = linesOf({ residentBytes }, { contexts: () => all });
    expect(lines).toContain("guestd_contexts 130");
    for (const name of ["queued_cells", "idle_seconds", "resident_memory_bytes"]) {
      const own = lines.filter((line) => line.startsWith(`guestd_context_${name}`));
      expect([own.length, own[0]?.includes('"c30"')]).toEqual([100, true]);
    }
    expect(labelledPids(place.runs, all)).toEqual(all.slice(30).map(({ kernelPid }) => kernelPid));
  });
});

describe("a run that lives", () => {
  test("is told with the memory that was sampled, and not looked at again", async () => {
    const before = Date.now();
    const run = await place.start(["/bin/sleep", "600"]);
    const pid = run.pid ?? 0;
    expect(labelledPids(place.runs, [context(1, 4711), context(2)])).toEqual([pid, 4711]);
    expect(linesOf().join("\n")).not.toContain("guestd_run_resident_memory_bytes");
    const lines = linesOf({ residentBytes: new Map([[pid, 12_345]]) });
    expect(lines).toContain(`guestd_run_resident_memory_bytes{run="${run.id}",kind="command"} 12345`);
    const age = Number(lines.find((line) => line.startsWith("guestd_run_age_seconds"))?.split(" ")[1]);
    expect(age).toBeGreaterThanOrEqual(0);
    expect(age).toBeLessThanOrEqual((Date.now() - before) / 1000);
    process.kill(pid, "SIGKILL");
    await run.ended;
    expect(labelledPids(place.runs, [])).toEqual([]);
    expect(linesOf()).toContain("guestd_finished_runs 1");
  });
});
