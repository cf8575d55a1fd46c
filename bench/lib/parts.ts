import { report } from "./report.ts";

/** Runs all parts of a bench, or those the command line names: `node bench/processes.ts starts idle`. */
export async function runParts(parts: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !Object.hasOwn(parts, name));
  if (unknown.length > 0) throw new Error(`no such part: ${unknown.join()}; there are ${Object.keys(parts).join()}`);
  for (const [name, bench] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    try {
      await bench();
    } catch (error) {
      // The other parts still say something.
      console.error(error);
      report({ what: name, unit: "", ours: undefined, note: `failed: ${String(error)}` });
      process.exitCode = 1;
    }
  }
}
