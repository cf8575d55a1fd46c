import { readdirSync, readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { processState } from "./process-tree.ts";

/** Looking at one takes 10 to 20 µs; requests come in between. */
const PER_TURN = 100;

/** Processes that can be seen from here, and how many of them have ended without anybody asking for their status. */
export async function countProcesses(): Promise<{ processes: number; zombies: number }> {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  let zombies = 0;
  for (let at = 0; at < pids.length; at += PER_TURN) {
    if (at > 0) await turn();
    zombies += pids.slice(at, at + PER_TURN).filter((pid) => processState(Number(pid)) === "Z").length;
  }
  return { processes: pids.length, zombies };
}

/** Descriptors that this process has open, and how many it may. @throws the system error */
export function countDescriptors(): { open: number; limit: number } {
  const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? Infinity);
  return { open: readdirSync("/proc/self/fd").length, limit };
}

/** Memory of a process that is in RAM, in bytes; undefined when it is gone. */
export function residentBytes(pid: number): number | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
