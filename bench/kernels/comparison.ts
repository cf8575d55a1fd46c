import { report, type Target } from "../lib/report.ts";
import { interleave, median, pairedRatio, quantile } from "../lib/statistics.ts";

export interface Comparison {
  what: string;
  rounds: number;
  ours: () => Promise<number[]>;
  jupyter: () => Promise<number[]>;
  target?: Target;
  /** How many times as long Jupyter has to take. */
  timesFaster?: number;
  usual?: string;
}

/** Takes times of both sides in turn, after a first round that finds cold code, and reports their medians. */
export async function compare({ what, rounds, ours, jupyter, target, timesFaster, usual }: Comparison): Promise<void> {
  await ours();
  await jupyter();
  const sides = await interleave(rounds, { ours, bare: jupyter });
  const [mine, theirs] = [sides.ours.flat(), sides.bare.flat()];
  const note = `bare: a Jupyter server; ${rounds} rounds of ${sides.ours[0]?.length ?? 0}; p95 ${quantile(mine, 0.95).toFixed(2)} against ${quantile(theirs, 0.95).toFixed(2)} ms`;
  const [p50, bareP50] = [median(mine), median(theirs)];
  report({ what, unit: "ms", ours: p50, bare: bareP50, ...(target && { target }), ...(usual && { usual }), note });
  if (timesFaster === undefined) return;
  report({
    what: "how many times as long Jupyter takes",
    unit: "×",
    ours: 1 / pairedRatio(sides.ours.map(median), sides.bare.map(median)),
    target: { on: "ours", atLeast: timesFaster },
  });
}
