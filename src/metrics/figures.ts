import { residentBytes } from "../host/process-count.ts";
import type { Run } from "../runs/run.ts";
import type { Runs } from "../runs/runs.ts";
import type { Family, Point } from "./exposition.ts";
import type { RequestTimes } from "./request-times.ts";
import type { MetricsSample } from "./sample.ts";

/** Runs and contexts that get numbers of their own; the totals count all. */
const MAX_LABELLED = 100;

/** What is told of a code context. */
export interface ContextFigures {
  id: string;
  language: string;
  queueLength: number;
  idleMs: number;
}

/** Where the numbers come from that are no sample's. */
export interface FiguresDeps {
  runs: Runs;
  requestTimes: RequestTimes;
  contexts: () => readonly ContextFigures[];
  /** Directories that the kernel watches for us, and how many it may. */
  watches: () => { used: number; limit: number };
  loopLagMs: () => number;
}

/** All families for Prometheus. Besides the sample, it looks at memory of this process and, in /proc, that of the labelled runs. */
export function collectFamilies(sample: MetricsSample, deps: FiguresDeps): Family[] {
  const watches = deps.watches();
  return [
    ...machineFamilies(sample),
    gauge("guestd_open_descriptors", "File descriptors that guestd has open.", sample.descriptors.open),
    gauge("guestd_max_descriptors", "File descriptors that guestd may have open.", sample.descriptors.limit),
    gauge("guestd_resident_memory_bytes", "Memory of guestd itself that is in RAM.", process.memoryUsage.rss()),
    gauge("guestd_heap_used_bytes", "JavaScript objects of guestd.", process.memoryUsage().heapUsed),
    gauge("guestd_event_loop_lag_seconds", "Worst delay of a timer in the last ten seconds.", deps.loopLagMs() / 1000),
    gauge("guestd_watched_directories", "Directories that the kernel watches for guestd.", watches.used),
    gauge("guestd_watched_directories_limit", "How many it may; what is beyond is polled.", watches.limit),
    ...runFamilies(deps.runs.list()),
    ...contextFamilies(deps.contexts()),
    ...deps.requestTimes.families(),
  ];
}

function machineFamilies(sample: MetricsSample): Family[] {
  const { memory, pressure } = sample;
  const waits = (kind: "someSeconds" | "fullSeconds"): Point[] =>
    pressure.flatMap(({ resource, [kind]: value }) => (value === undefined ? [] : [{ labels: { resource }, value }]));
  return [
    gauge("sandbox_cpus", "Processors that may be used, a part of one counted whole.", sample.cpuCount),
    gauge("sandbox_cpu_used_ratio", "Processor time in use, of all that may be.", sample.cpuUsedPercent / 100),
    gauge("sandbox_memory_total_bytes", "Memory that may be used.", memory.total),
    gauge("sandbox_memory_used_bytes", "Memory in use without caches.", memory.used),
    gauge("sandbox_memory_cache_bytes", "Memory that holds contents of files.", memory.cache),
    gauge("sandbox_disk_total_bytes", "Size of the file system at /.", sample.diskTotal),
    gauge("sandbox_disk_used_bytes", "What of it is not available.", sample.diskUsed),
    gauge("sandbox_processes", "Processes.", sample.processes),
    gauge("sandbox_zombies", "Processes that have ended and whose status nobody has asked for.", sample.zombies),
    counters("sandbox_pressure_some_seconds_total", "Time in which a program waited (PSI).", waits("someSeconds")),
    counters("sandbox_pressure_full_seconds_total", "Time in which all programs did (PSI).", waits("fullSeconds")),
  ];
}

function runFamilies(runs: readonly Run[]): Family[] {
  const live = runs.filter((run) => !run.end);
  const newest = live.slice(-MAX_LABELLED).map((run) => ({ run, labels: { run: run.id, kind: run.config.kind } }));
  const kinds = Map.groupBy(live, (run) => run.config.kind);
  return [
    gauges(
      "guestd_live_runs",
      "Runs that have not ended.",
      (["command", "terminal", "cell"] as const).map((kind) => ({
        labels: { kind },
        value: kinds.get(kind)?.length ?? 0,
      })),
    ),
    gauge("guestd_finished_runs", "Runs that have ended and are kept.", runs.length - live.length),
    gauges(
      "guestd_run_age_seconds",
      `Time since the start of a live run; of the ${MAX_LABELLED} newest.`,
      newest.map(({ run, labels }) => ({ labels, value: run.ageMs / 1000 })),
    ),
    gauges(
      "guestd_run_output_bytes",
      "Bytes that a live run has put out so far.",
      newest.map(({ run, labels }) => ({ labels, value: run.log.position })),
    ),
    gauges(
      "guestd_run_resident_memory_bytes",
      "Memory in RAM of the program of a live run, without its children.",
      newest.flatMap(({ run, labels }) => {
        const value = run.pid === undefined ? undefined : residentBytes(run.pid);
        return value === undefined ? [] : [{ labels, value }];
      }),
    ),
  ];
}

function contextFamilies(contexts: readonly ContextFigures[]): Family[] {
  const newest = contexts.slice(-MAX_LABELLED);
  const points = (value: (context: ContextFigures) => number): Point[] =>
    newest.map((context) => ({ labels: { context: context.id, language: context.language }, value: value(context) }));
  return [
    gauge("guestd_contexts", "Code contexts.", contexts.length),
    gauges(
      "guestd_context_queued_cells",
      `Cells that wait or run; of the ${MAX_LABELLED} newest contexts.`,
      points((context) => context.queueLength),
    ),
    gauges(
      "guestd_context_idle_seconds",
      "Time since the last cell of a context.",
      points((context) => context.idleMs / 1000),
    ),
  ];
}

function gauge(name: string, help: string, value: number): Family {
  return gauges(name, help, [{ value }]);
}

function gauges(name: string, help: string, points: readonly Point[]): Family {
  return { name, type: "gauge", help, points };
}

function counters(name: string, help: string, points: readonly Point[]): Family {
  return { name, type: "counter", help, points };
}
