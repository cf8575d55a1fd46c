import { startBarePython } from "../lib/bare-python.ts";
import { type CodePlace, type CodeSession, timed, timeFirstResult } from "../lib/code-place.ts";
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
  await using ours = await openPair(() => place.open());
  await using bare = await openPair(startBarePython);
  const times = { alone: [] as number[], together: [] as number[], bareAlone: [] as number[], bare: [] as number[] };
  for (let round = 0; round < PARALLEL_ROUNDS; round += 1) {
    times.alone.push(await timed(() => ours.one.run(COMPUTE)));
    times.bareAlone.push(await timed(() => bare.one.run(COMPUTE)));
    times.together.push(await timed(() => both(ours)));
    times.bare.push(await timed(() => both(bare)));
  }
  const slowdown = median(times.bare) / median(times.bareAlone);
  report({
    what: "two contexts that compute at the same time",
    unit: "ms",
    ours: median(times.together),
    bare: median(times.alone),
    target: { on: "ratio", atMost: 1.3 },
    note: `bare: one of them alone; ${PARALLEL_ROUNDS} rounds; two plain Python processes take ${slowdown.toFixed(2)} times as long as one of them in the same run: that is the machine`,
  });
  report({
    what: "the same against two plain Python processes that compute at the same time",
    unit: "ms",
    ours: median(times.together),
    bare: median(times.bare),
    target: { on: "ratio", atMost: 1.1 },
    note: `bare: \`python3\` with nothing around it; ${PARALLEL_ROUNDS} rounds, in turn with ours`,
  });
}

interface Pair extends AsyncDisposable {
  one: CodeSession;
  other: CodeSession;
}

async function openPair(open: () => Promise<CodeSession>): Promise<Pair> {
  await using opened = new AsyncDisposableStack();
  const one = opened.use(await open());
  const other = opened.use(await open());
  const kept = opened.move();
  return { one, other, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function both({ one, other }: Pair): Promise<void> {
  await Promise.all([one.run(COMPUTE), other.run(COMPUTE)]);
}
