import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { processState } from "./process-tree.ts";

/** Looking at one takes 10 to 30 µs; requests come in between. */
const PER_TURN = 50;

/** Processes that can be seen from here, and how many of them have ended without anybody asking for their status. */
export async function countProcesses(): Promise<{ processes: number; zombies: number }> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const states = await inTurns(pids, (pid) => processState(Number(pid)));
  return { processes: pids.length, zombies: states.filter((state) => state === "Z").length };
}

/** Descriptors that this process has open, and how many it may. @throws the system error */
export async function countDescriptors(): Promise<{ open: number; limit: number }> {
  const names = await readdir("/proc/self/fd");
  // One of them is that of the listing itself.
  return { open: names.length - 1, limit: descriptorLimit() };
}

/** How many descriptors this process may have open. @throws the system error */
export function descriptorLimit(): number {
  return Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? Infinity);
}

/** Memory of processes that is in RAM, in bytes; those that are gone are left out. */
export async function residentMemory(pids: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const sizes = await inTurns(pids, (pid) => [pid, residentBytes(pid)] as const);
  return new Map(sizes.flatMap(([pid, bytes]) => (bytes === undefined ? [] : [[pid, bytes]])));
}

function residentBytes(pid: number): number | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

/** What `look` finds of each; others have their turn in between. */
async function inTurns<T, R>(items: readonly T[], look: (item: T) => R): Promise<R[]> {
  const found: R[] = [];
  for (let at = 0; at < items.length; at += PER_TURN) {
    if (at > 0) await turn();
    found.push(...items.slice(at, at + PER_TURN).map(look));
  }
  return found;
}
