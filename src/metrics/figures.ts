import type { Run } from "../runs/run.ts";
import type { Runs } from "../runs/runs.ts";
import type { Family, Point } from "./exposition.ts";
import type { RequestTimes } from "./request-times.ts";
import type { MetricsSample } from "./sample.ts";

/** Runs and contexts that get numbers of their own; the totals count all. */
const MAX_LABELLED = 100;

/** A gauge of what happens now is left out when it is the mean of a longer time. */
const MAX_WINDOW_MS = 60_000;

/** What is told of a code context. */
export interface ContextFigures {
  id: string;
  language: string;
  queueLength: number;
  idleMs: number;
  /** Of its kernel, when there is one. */
  kernelPid: number | undefined;
}

/** Where the numbers come from that are no sample's. */
export interface FiguresDeps {
  runs: Runs;
  requestTimes: RequestTimes;
  contexts: () => readonly ContextFigures[];
  /** Directories that the kernel watches for us, and how many it may. */
  watches: () => { used: number; limit: number };
  loopLagMs: () => number | undefined;
}

/** Processes whose memory is told. */
export function labelledPids(runs: Runs, contexts: readonly ContextFigures[]): number[] {
  const ofRuns = newestLive(runs.list()).map(({ pid }) => pid);
  const ofContexts = contexts.slice(-MAX_LABELLED).map(({ kernelPid }) => kernelPid);
  return [...ofRuns, ...ofContexts].filter((pid) => pid !== undefined);
}

/** All families for Prometheus. */
export function collectFamilies(sample: MetricsSample, deps: FiguresDeps): Family[] {
  const watches = deps.watches();
  const { rss, heapUsed } = process.memoryUsage();
  const lagMs = deps.loopLagMs();
  return [
    ...machineFamilies(sample),
    gauge("guestd_open_descriptors", "File descriptors that guestd has open.", sample.descriptors.open),
    gauge("guestd_max_descriptors", "File descriptors that guestd may have open.", sample.descriptors.limit),
    gauge("guestd_resident_memory_bytes", "Memory of guestd itself that is in RAM.", rss),
    gauge("guestd_heap_used_bytes", "JavaScript objects of guestd.", heapUsed),
    gauges(
      "guestd_event_loop_lag_seconds",
      "Worst delay of a timer in the last ten seconds.",
      lagMs === undefined ? [] : [{ value: lagMs / 1000 }],
    ),
    gauge("guestd_watched_directories", "Directories that the kernel watches for guestd.", watches.used),
    gauge("guestd_watched_directories_limit", "How many it may; what is beyond is polled.", watches.limit),
    ...runFamilies(deps.runs.list(), sample),
    ...contextFamilies(deps.contexts(), sample),
    ...deps.requestTimes.families(),
  ];
}

/** Of the machine, or of what the cgroups around this process leave of it. */
export function machineFamilies(sample: MetricsSample): Family[] {
  const { memory, pressure } = sample;
  const used = sample.cpuWindowMs > MAX_WINDOW_MS ? [] : [{ value: sample.cpuUsedPercent / 100 }];
  const waits = (kind: "someSeconds" | "fullSeconds"): Point[] =>
    pressure.flatMap(({ resource, [kind]: value }) => (value === undefined ? [] : [{ labels: { resource }, value }]));
  return [
    gauge("sandbox_cpus", "Processors that may be used, a part of one counted whole.", sample.cpuCount),
    gauges("sandbox_cpu_used_ratio", "Processor time in use, of all that may be, in the last seconds.", used),
    counters("sandbox_cpu_seconds_total", "Processor time used so far.", [{ value: sample.cpuUsedMs / 1000 }]),
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

function newestLive(runs: readonly Run[]): Run[] {
  return runs.filter((run) => !run.end).slice(-MAX_LABELLED);
}

/** Without a number until the next sample, when the process is newer than this one. */
function residentPoint(pid: number | undefined, labels: Point["labels"], { residentBytes }: MetricsSample): Point[] {
  const value = pid === undefined ? undefined : residentBytes.get(pid);
  return value === undefined ? [] : [{ ...(labels && { labels }), value }];
}

function runFamilies(runs: readonly Run[], sample: MetricsSample): Family[] {
  const live = runs.filter((run) => !run.end);
  const newest = newestLive(runs).map((run) => ({ run, labels: { run: run.id, kind: run.config.kind } }));
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
      newest.flatMap(({ run, labels }) => residentPoint(run.pid, labels, sample)),
    ),
  ];
}

function contextFamilies(contexts: readonly ContextFigures[], sample: MetricsSample): Family[] {
  const newest = contexts.slice(-MAX_LABELLED);
  const labelsOf = ({ id, language }: ContextFigures): Record<string, string> => ({ context: id, language });
  const points = (value: (context: ContextFigures) => number): Point[] =>
    newest.map((context) => ({ labels: labelsOf(context), value: value(context) }));
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
    gauges(
      "guestd_context_resident_memory_bytes",
      "Memory in RAM of the kernel of a context, without its children.",
      newest.flatMap((context) => residentPoint(context.kernelPid, labelsOf(context), sample)),
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
