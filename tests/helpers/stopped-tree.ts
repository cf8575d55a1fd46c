import { spawn } from "node:child_process";
import { once } from "node:events";
import { descendantsOf, processState } from "../../src/host/process-tree.ts";
import { until } from "./daemon.ts";

/** A process that waits for a disk, or for its child to execute, runs no more than one that is stopped. */
const STILL = new Set(["T", "t", "Z", "X", "D"]);

/**
 * Stops a process and all that descends from it, as a paused machine does, and lets them go on `seconds` later: the process first,
 * which is the worst case for it. It is another process that tells when the time is over. `during` is called while they stand still.
 */
export async function stopTree(
  root: number,
  { seconds, during }: { seconds: number; during: () => void },
): Promise<void> {
  const stopped = new Set<number>();
  const stop = (): boolean => {
    const tree = [root, ...descendantsOf(root)];
    for (const pid of tree.filter((one) => !stopped.has(one))) {
      tryKill(pid, "SIGSTOP");
      stopped.add(pid);
    }
    return tree.every((pid) => STILL.has(processState(pid) ?? "X"));
  };
  await until(stop);
  try {
    during();
    await once(spawn("sleep", [String(seconds)]), "exit");
  } finally {
    for (const pid of stopped) tryKill(pid, "SIGCONT");
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended meanwhile
  }
}
