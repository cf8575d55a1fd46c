import { readFileSync } from "node:fs";

/** Whether at least `minShare` (0 to 1) of the machine's memory is available. */
export function hasFreeMemory(minShare: number): boolean {
  if (minShare === 0) return true;
  try {
    const text = readFileSync("/proc/meminfo", "latin1");
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
    return kib("MemAvailable") >= kib("MemTotal") * minShare;
  } catch {
    return false; // what cannot be known is not assumed
  }
}
