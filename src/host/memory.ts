import { readFileSync } from "node:fs";

/** Below this share of the machine's memory nothing is started ahead of time. */
const MIN_FREE_SHARE = 0.1;

/** Whether the machine has memory for what nobody needs yet. */
export function hasFreeMemory(): boolean {
  try {
    const text = readFileSync("/proc/meminfo", "latin1");
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
    return kib("MemAvailable") >= kib("MemTotal") * MIN_FREE_SHARE;
  } catch {
    return false; // what cannot be known is not assumed
  }
}
