import { processState, startTimeOf } from "./process-tree.ts";
import { readStopRecord, StopRecord } from "./stop-record.ts";

/** Processes that were stopped by SIGSTOP, and go on when they are released. */
export class StoppedProcesses {
  /** In the order in which they were stopped. */
  readonly #stopped = new Map<number, number>();
  readonly #record: StopRecord | undefined;

  /** @param recordPath where it is noted who is stopped, for the case that we are killed */
  constructor(recordPath?: string) {
    this.#record = recordPath === undefined ? undefined : new StopRecord(recordPath);
  }

  /** Those that a killed daemon has stopped and noted. */
  static left(recordPath: string): StoppedProcesses {
    const left = new StoppedProcesses();
    for (const { pid, startTime } of readStopRecord(recordPath)) left.#stopped.set(pid, startTime);
    return left;
  }

  get size(): number {
    return this.#stopped.size;
  }

  has(pid: number): boolean {
    return this.#stopped.has(pid) && this.#stopped.get(pid) === startTimeOf(pid);
  }

  /** False when it may not be signalled, or is gone. */
  stop(pid: number): boolean {
    const startTime = startTimeOf(pid);
    if (startTime === undefined) return false;
    if (this.#stopped.get(pid) !== startTime) this.#record?.note({ pid, startTime });
    if (!send(pid, "SIGSTOP")) return false;
    if (startTimeOf(pid) !== startTime) {
      // It ended in this moment, and whoever has its number now was not meant.
      send(pid, "SIGCONT");
      return false;
    }
    // One that is stopped again, somebody having continued it, is the last.
    this.#stopped.delete(pid);
    this.#stopped.set(pid, startTime);
    return true;
  }

  /**
   * All go on, children before their parents: a shell with job control that asks finds its jobs running, as it left them. Numbers
   * that are somebody else's by now are left alone.
   */
  release(): void {
    for (const [pid, startTime] of [...this.#stopped].toReversed()) {
      if (startTimeOf(pid) === startTime) send(pid, "SIGCONT");
    }
    this.#stopped.clear();
    this.#record?.clear();
  }
}

/** Whether a process runs no code of its own: stopped by whomever, or held by its tracer. */
export function isStopped(pid: number): boolean {
  const state = processState(pid);
  return state === "T" || state === "t";
}

function send(pid: number, signal: "SIGSTOP" | "SIGCONT"): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // it is gone, or another user's
  }
}
