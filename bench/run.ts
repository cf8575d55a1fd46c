// Runs benches, each in a process of its own: `npm run bench [-- name…]`. Prints their lines of JSON and writes results.md.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import type { ReportedRow } from "./lib/report.ts";
import { writeResults } from "./lib/results.ts";

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, "..");
/** A bench that takes longer hangs. */
const TIMEOUT_MS = 10 * 60_000;

async function main(names: readonly string[]): Promise<void> {
  const known = readdirSync(FOLDER)
    .filter((file) => file.endsWith(".ts") && file !== "run.ts")
    .map((file) => basename(file, ".ts"));
  const unknown = names.filter((name) => !existsSync(join(FOLDER, `${name}.ts`)));
  if (unknown.length > 0) throw new Error(`no such bench: ${unknown.join()}; there are ${known.join()}`);
  execFileSync(process.execPath, [join(ROOT, "build.config.ts"), "--if-needed"], { stdio: "inherit" });
  const results = new Map<string, ReportedRow[]>();
  for (const name of names.length > 0 ? names : known) {
    const { rows, isComplete } = await runBench(name);
    if (rows.length > 0) results.set(name, rows);
    if (!isComplete) process.exitCode = 1;
  }
  writeResults(join(FOLDER, "results.md"), ROOT, results);
}

async function runBench(name: string): Promise<{ rows: ReportedRow[]; isComplete: boolean }> {
  const rows: ReportedRow[] = [];
  const began = performance.now();
  const child = spawn(process.execPath, [join(FOLDER, `${name}.ts`)], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: TIMEOUT_MS,
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    rows.push(JSON.parse(line) as ReportedRow);
    process.stdout.write(`${JSON.stringify({ bench: name, ...(JSON.parse(line) as object) })}\n`);
  });
  const [code] = (await once(child, "close")) as [number | null];
  const seconds = Math.round((performance.now() - began) / 1000);
  console.error(`guestd: bench ${name} ${code === 0 ? "took" : "failed after"} ${seconds} s`);
  return { rows, isComplete: code === 0 };
}

await main(process.argv.slice(2));
