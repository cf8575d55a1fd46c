import { type CodePlace, timed, timeFirstResult } from "../lib/code-place.ts";
import { startJupyter } from "../lib/jupyter.ts";
import { startOwnContexts } from "../lib/own-contexts.ts";
import { report } from "../lib/report.ts";
import { median } from "../lib/statistics.ts";
import { compare } from "./comparison.ts";

const ROUNDS = 5;
const AT_ONCE = 4;
const PARALLEL_ROUNDS = 5;
/** About half a second of one core. */
const COMPUTE = "sum(i * i % 7 for i in range(8_000_000))";

/** How long it takes to get contexts, and whether they get in each other's way. */
export async function benchContexts(): Promise<void> {
  await using own = await startOwnContexts();
  await using jupyter = await startJupyter();
  await compare({
    what: "new context to its first result",
    rounds: ROUNDS,
    ours: () => firstResult(own),
    jupyter: () => firstResult(jupyter),
    target: { on: "ours", atMost: 20 },
    timesFaster: 20,
    usual: "890-1100 ms",
  });
  await compare({
    what: "four contexts at once, until all have answered and are removed",
    rounds: ROUNDS,
    ours: () => atOnce(own),
    jupyter: () => atOnce(jupyter),
    usual: "1475 ms",
  });
  await inParallel(own);
}

async function firstResult(place: CodePlace): Promise<number[]> {
  return [await timeFirstResult(place, "1 + 1")];
}

async function atOnce(place: CodePlace): Promise<number[]> {
  const all = Array.from({ length: AT_ONCE }, () => place);
  return [await timed(() => Promise.all(all.map(firstResult)))];
}

async function inParallel(place: CodePlace): Promise<void> {
  await using first = await place.open();
  await using second = await place.open();
  const alone: number[] = [];
  const together: number[] = [];
  for (let round = 0; round < PARALLEL_ROUNDS; round += 1) {
    alone.push(await timed(() => first.run(COMPUTE)));
    together.push(await timed(() => Promise.all([first.run(COMPUTE), second.run(COMPUTE)])));
  }
  report({
    what: "two contexts that compute at the same time",
    unit: "ms",
    ours: median(together),
    bare: median(alone),
    target: { on: "ratio", atMost: 1.3 },
    note: `bare: one of them alone; ${PARALLEL_ROUNDS} rounds`,
  });
}
