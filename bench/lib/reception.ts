import type { Row } from "./report.ts";
import { median, pairedRatio } from "./statistics.ts";

/** One transfer of a known number of bytes to a client. */
export interface Reception {
  megabytesPerSecond: number;
  cpuSecondsPerGigabyte: number;
  /** The client fell out of what the log keeps and got an error instead of the rest. */
  hasLost: boolean;
}

/** Figures of the runs that brought everything, each with the run of the other side in the same round. */
export function compareReceptions(
  ours: readonly Reception[],
  others: readonly Reception[],
): Pick<Row, "ours" | "bare" | "ratio" | "note"> {
  const pairs = ours.flatMap((run, index) => {
    const other = others[index];
    return other && !run.hasLost && !other.hasLost ? [{ run, other }] : [];
  });
  const left = pairs.map(({ run }) => run.megabytesPerSecond);
  const right = pairs.map(({ other }) => other.megabytesPerSecond);
  const note = `${pairs.length} of ${ours.length} pairs of runs lost nothing and count`;
  return pairs.length === 0
    ? { ours: undefined, note }
    : { ours: median(left), bare: median(right), ratio: pairedRatio(left, right), note };
}

/** CPU time of the runs that brought everything; undefined when none did. */
export function cpuOf(runs: readonly Reception[]): number | undefined {
  const complete = runs.filter((run) => !run.hasLost).map((run) => run.cpuSecondsPerGigabyte);
  return complete.length === 0 ? undefined : median(complete);
}

/** A row that says how many runs lost output, which none should. */
export function lossRow(runs: readonly Reception[]): Row {
  return {
    what: `of these ${runs.length} runs, those that lost output to a client that reads all the time`,
    unit: "runs",
    ours: runs.filter((run) => run.hasLost).length,
    target: { on: "ours", atMost: 0 },
    note: "such a run ends with `out_of_range`; only the others count above",
  };
}
