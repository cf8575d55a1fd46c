import { setTimeout as delay } from "node:timers/promises";
import { type CellLine, errorsOf, resultOf } from "../unit/kernels/cell-client.ts";
import { CodeSession } from "./code-contexts.ts";
import type { Random } from "./random.ts";

export interface InterruptCase {
  /** A cell that takes some milliseconds. */
  cell: (ms: number) => string;
  /** Sets `kept`, and what its value is. */
  keep: string;
  kept: { code: string; value: string };
}

/** Python's. */
export const PYTHON_INTERRUPTS: InterruptCase = {
  cell: (ms) => `import time\nend = time.monotonic() + ${ms / 1000}\nwhile time.monotonic() < end: pass`,
  keep: "kept = 'yes'",
  kept: { code: "kept", value: "yes" },
};

/** How many ended which way, and everything that should not have been. */
export interface InterruptReport {
  outcomes: Record<string, number>;
  faults: string[];
}

/** Interrupts cells that take a few milliseconds at moments around their begin and their end. */
export async function interruptAtRandom(
  url: string,
  language: string,
  { random, count, cell, keep, kept }: InterruptCase & { random: Random; count: number },
): Promise<InterruptReport> {
  await using session = await CodeSession.open(url, { language });
  await session.run(keep);
  const report: InterruptReport = { outcomes: {}, faults: [] };
  for (let index = 0; index < count; index += 1) {
    const running = session.run(cell(random.below(20)));
    await delay(random.below(25));
    const { outcome, stateKept } = await session.interrupt();
    const errors = errorsOf(await running);
    const name = String(outcome);
    report.outcomes[name] = (report.outcomes[name] ?? 0) + 1;
    if (stateKept !== true) report.faults.push(`${index}: ${name} lost the state`);
    const strange = errors.filter((error) => error.name !== "KeyboardInterrupt");
    for (const error of strange) report.faults.push(`${index}: ${error.name} ${error.value}`);
    // The next cell is not the one that was meant.
    const value = valueOf(await session.run(kept.code));
    if (value !== kept.value) report.faults.push(`${index}: the next cell gave ${value}`);
  }
  return report;
}

function valueOf(lines: readonly CellLine[]): string {
  return resultOf(lines) ?? JSON.stringify(errorsOf(lines));
}
