import { setTimeout as pause } from "node:timers/promises";
import { timeCells, timeFirstResult } from "../lib/code-place.ts";
import { type OwnContexts, startOwnContexts } from "../lib/own-contexts.ts";
import { report } from "../lib/report.ts";
import { median, quantile } from "../lib/statistics.ts";
import { treePss } from "./memory.ts";

interface Probe {
  language: string;
  cell: string;
  /** What the answer has in it. */
  answer: string;
  atMostMs: number;
  usual?: string;
}

/** A language that does not work here is left out, and said. */
const PROBES: readonly Probe[] = [
  { language: "python", cell: "1 + 1", answer: "2", atMostMs: 2, usual: "48 ms" },
  { language: "javascript", cell: "1 + 1", answer: "2", atMostMs: 3, usual: "48-51 ms" },
  { language: "typescript", cell: "const n: number = 1 + 1; n", answer: "2", atMostMs: 3, usual: "48-51 ms" },
  { language: "bash", cell: "echo $((1 + 1))", answer: "2", atMostMs: 3 },
  { language: "r", cell: "1 + 1", answer: "2", atMostMs: 5, usual: "111 ms" },
  { language: "java", cell: "1 + 1", answer: "2", atMostMs: 15, usual: "52-106 ms" },
];
const CELLS = 200;
const WARM_UP = 40;
const CONTEXTS = 7;
const MORE = 3;
const MB = 1e6;
/** The next spare kernel is ready by then. */
const REFILL_MS = 1500;

/** Each language: a cell, a new context with a spare kernel and without, and what a further context holds. */
export async function benchLanguages(): Promise<void> {
  await using withSpares = await startOwnContexts();
  await using without = await startOwnContexts({ argv: ["--spare-kernels", "0"] });
  const working = await withSpares.languages();
  for (const probe of PROBES) {
    if (!working.includes(probe.language)) console.error(`guestd: ${probe.language} does not work here`);
    else await benchLanguage(probe, withSpares, without);
  }
}

async function benchLanguage(probe: Probe, withSpares: OwnContexts, without: OwnContexts): Promise<void> {
  const { language, cell, answer, atMostMs, usual } = probe;
  {
    await using session = await without.open(language);
    if (!(await session.run(cell)).includes(answer)) throw new Error(`${language}: no ${answer} in the answer`);
    await timeCells(session, cell, WARM_UP);
    const times = await timeCells(session, cell, CELLS);
    report({
      what: `${language}: cell, p50`,
      unit: "ms",
      ours: median(times),
      target: { on: "ours", atMost: atMostMs },
      ...(usual && { usual }),
      note: `\`${cell}\`, ${CELLS} times; p99 ${quantile(times, 0.99).toFixed(2)} ms`,
    });
  }
  const cold = await firstResults(without, probe, 0);
  const warm = await firstResults(withSpares, probe, REFILL_MS);
  report({
    what: `${language}: new context to its first result`,
    unit: "ms",
    ours: median(warm),
    bare: median(cold),
    note: `a spare kernel is kept where the language wants one; bare: without spares (\`--spare-kernels 0\`); ${CONTEXTS} each`,
  });
  report({
    what: `${language}: memory of a further context`,
    unit: "MB",
    ours: (await eachBytes(without, probe)) / MB,
  });
}

async function firstResults(place: OwnContexts, { language, cell }: Probe, pauseMs: number): Promise<number[]> {
  await timeFirstResult(place, cell, language);
  const times: number[] = [];
  for (let index = 0; index < CONTEXTS; index += 1) {
    await pause(pauseMs);
    times.push(await timeFirstResult(place, cell, language));
  }
  return times;
}

async function eachBytes(place: OwnContexts, { language, cell }: Probe): Promise<number> {
  await using sessions = new AsyncDisposableStack();
  await sessions.use(await place.open(language)).run(cell);
  const before = treePss(place.pid);
  for (let index = 0; index < MORE; index += 1) await sessions.use(await place.open(language)).run(cell);
  return (treePss(place.pid) - before) / MORE;
}
