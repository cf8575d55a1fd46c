import { execute, type CellLine } from "../unit/kernels/cell-client.ts";
import { type Cycle, forgetRuns } from "./cycles.ts";
import { CodeSession } from "./code-contexts.ts";

/** What one language is tried with, over and over. */
export interface CellSoak {
  /** A cell that uses what an earlier one left, prints, and has `n` in what it says. */
  cell: (n: number) => string;
  /** What it says, all in all. */
  says: (n: number) => string;
  /** A cell whose result or output is the kernel's resident memory in bytes. */
  rss: string;
}

const FROM_PROC = "/proc/self/statm";

export const CELL_SOAKS: Readonly<Record<string, CellSoak>> = {
  python: {
    cell: (n) => `x = globals().get('x', {}); x[${n % 50}] = ${n}; print(x[${n % 50}])\nx[${n % 50}] + 1`,
    says: (n) => `${n}\n${n + 1}`,
    rss: `int(open('${FROM_PROC}').read().split()[1]) * 4096`,
  },
  javascript: {
    cell: (n) => `const x${n % 50} = [${n}]; console.log(x${n % 50}[0]); await null; x${n % 50}[0] + 1`,
    says: (n) => `${n}\n${n + 1}`,
    rss: "process.memoryUsage.rss()",
  },
  typescript: {
    cell: (n) => `const x${n % 50}: number[] = [${n}]; console.log(x${n % 50}[0]); x${n % 50}[0] + 1`,
    says: (n) => `${n}\n${n + 1}`,
    rss: "process.memoryUsage.rss()",
  },
  bash: {
    cell: (n) => `x[${n % 50}]=${n}; echo "\${x[${n % 50}]}"; f() { echo $((\${x[${n % 50}]} + 1)); }; f`,
    says: (n) => `${n}\n${n + 1}\n`,
    rss: `read -r _ pages _ < /proc/$$/statm; echo $((pages * 4096))`,
  },
  r: {
    cell: (n) =>
      `x <- if (exists("x")) x else list(); x[[${(n % 50) + 1}]] <- ${n}; cat(x[[${(n % 50) + 1}]], "\\n"); x[[${(n % 50) + 1}]] + 1`,
    says: (n) => `${n} \n[1] ${n + 1}`,
    rss: `format(as.numeric(strsplit(readLines("${FROM_PROC}"), " ")[[1]][2]) * 4096, scientific = FALSE)`,
  },
  java: {
    cell: (n) => `int[] x${n % 50} = {${n}}; System.out.print(x${n % 50}[0] + "\\n"); x${n % 50}[0] + 1`,
    says: (n) => `${n}\n${n + 1}`,
    rss: `Long.parseLong(java.nio.file.Files.readString(java.nio.file.Path.of("${FROM_PROC}")).split(" ")[1]) * 4096`,
  },
};

/** All that a cell said, its result last; an error throws. */
export function saidIn(lines: readonly CellLine[]): string {
  const failure = lines.find(({ type }) => type === "error");
  if (failure) throw new Error(`${failure.name}: ${failure.value}`);
  return lines
    .map(({ type, text }) => (type === "stdout" || type === "stderr" || type === "result" ? text : ""))
    .join("");
}

/** Runs `count` cells one after the other, checks what each says, and measures the kernel's memory after each `every` of them. */
export async function runCells(
  url: string,
  { session, soak, count, every }: { session: CodeSession; soak: CellSoak; count: number; every: number },
): Promise<(readonly [number, number])[]> {
  const samples: [number, number][] = [];
  for (let n = 0; n < count; n += 1) {
    const said = saidIn(await session.run(soak.cell(n)));
    if (said !== soak.says(n)) throw new Error(`cell ${n} said ${JSON.stringify(said)}`);
    if ((n + 1) % every !== 0) continue;
    samples.push([n + 1, await kernelRss(session, soak)]);
    await forgetRuns(url);
  }
  return samples;
}

/** The kernel's own word on its resident memory, in bytes. */
async function kernelRss(session: CodeSession, { rss }: CellSoak): Promise<number> {
  const bytes = Number(/\d{6,}/.exec(saidIn(await session.run(rss)))?.[0]);
  if (!(bytes > 0)) throw new Error("the kernel does not tell its memory");
  return bytes;
}

/** Creates a context, runs a cell in it and removes it. */
export function contextCycle(language: string): Cycle {
  const soak = CELL_SOAKS[language];
  if (!soak) throw new Error(`there are no cells for ${language}`);
  return async (url) => {
    await using session = await CodeSession.open(url, { language });
    const said = saidIn(await execute(url, { context_id: session.id, code: soak.cell(7) }));
    if (said !== soak.says(7)) throw new Error(`${language} said ${JSON.stringify(said)}`);
  };
}
