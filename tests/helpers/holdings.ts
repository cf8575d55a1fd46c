import { openKernelLog } from "./kernel-log.ts";
import { forgetRuns, type Cycle, runCycles } from "./cycles.ts";
import { until } from "./daemon.ts";
import { descriptorsOf, type ForkedDaemon, leftoversOf } from "./forked-daemon.ts";

/** Finished runs that the daemon keeps: few enough that warming up reaches the number. */
const KEPT_RUNS = 100;
export const KEPT_RUNS_ARGV: readonly string[] = ["--kept-runs", String(KEPT_RUNS)];

/** Descriptors that are the same so many times in a row are nothing that is just being closed. */
const SETTLED_LOOKS = 10;

export interface CyclePlan {
  cycles: readonly Cycle[];
  warmUp: number;
  /** Cycles after warming up. */
  count: number;
  /** Memory is measured after each so many of them. */
  every: number;
  concurrency: number;
}

export interface Sample {
  cycle: number;
  rss: number;
  heapUsed: number;
}

/** What the daemon held before and after, with no run kept; and its memory in between, at a constant number of kept runs. */
export interface CycleReport {
  before: string[];
  after: string[];
  samples: Sample[];
  /** Bytes a cycle, least squares. */
  rssSlope: number;
  heapSlope: number;
  /** Processes of the daemon that are still there, zombies included. */
  leftovers: number[];
}

/** Warms up, then runs the cycles, and says what they left behind. */
export async function measureCycles(daemon: ForkedDaemon, plan: CyclePlan): Promise<CycleReport> {
  const { cycles, warmUp, count, every, concurrency } = plan;
  await runCycles(daemon.url, cycles, { count: warmUp, concurrency });
  await openKernelLog(daemon.url);
  const before = await holdingsOf(daemon, undefined);
  await runCycles(daemon.url, cycles, { count: KEPT_RUNS + cycles.length, concurrency });
  const samples: Sample[] = [];
  for (let cycle = 0; cycle <= count; cycle += every) {
    if (cycle > 0) await runCycles(daemon.url, cycles, { count: every, concurrency });
    const { rss, heapUsed } = await daemon.memory();
    samples.push({ cycle, rss, heapUsed });
  }
  const after = await holdingsOf(daemon, before);
  return {
    before,
    after,
    samples,
    rssSlope: slopeOf(samples.map(({ cycle, rss }) => [cycle, rss])),
    heapSlope: slopeOf(samples.map(({ cycle, heapUsed }) => [cycle, heapUsed])),
    leftovers: leftoversOf(daemon.pid),
  };
}

/** Descriptors once all runs are forgotten and nothing is being closed any more. Waits for `expected` if it can be had. */
export async function holdingsOf(daemon: ForkedDaemon, expected: readonly string[] | undefined): Promise<string[]> {
  await forgetRuns(daemon.url);
  await daemon.memory();
  let held = descriptorsOf(daemon.pid);
  let looks = 0;
  const isSettled = (): boolean => {
    const now = descriptorsOf(daemon.pid);
    const isSame = String(now) === String(expected ?? held) && leftoversOf(daemon.pid).length === 0;
    looks = isSame ? looks + 1 : 0;
    held = now;
    return looks >= SETTLED_LOOKS;
  };
  await until(isSettled).catch(() => undefined); // the caller compares and shows what is different
  return held;
}

/** Least-squares slope of points [x, y]. */
export function slopeOf(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return variance === 0 ? 0 : covariance / variance;
}

const mib = (bytes = 0): string => (bytes / 2 ** 20).toFixed(1);

/** One line for whoever reads the test's output. */
export function describeReport(name: string, { samples, rssSlope, heapSlope, before, after }: CycleReport): string {
  const [first] = samples;
  const last = samples.at(-1);
  return (
    `${name}: ${last?.cycle} cycles, rss ${mib(first?.rss)} -> ${mib(last?.rss)} MiB, slope ${rssSlope.toFixed(1)} B a cycle; ` +
    `heap ${mib(first?.heapUsed)} -> ${mib(last?.heapUsed)} MiB, slope ${heapSlope.toFixed(1)} B; ` +
    `descriptors ${before.length} -> ${after.length}`
  );
}
