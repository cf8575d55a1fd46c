import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";

/** A process by its number and when it began: with that the number stands for it alone. */
export interface StoppedProcess {
  pid: number;
  startTime: number;
}

/** A file with the processes that are stopped by us, for whoever comes after us: nobody else could tell them from others. */
export class StopRecord {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** To be called before a process is stopped. */
  note({ pid, startTime }: StoppedProcess): void {
    try {
      this.#fd ??= openSync(this.#path, "w", 0o600);
      writeSync(this.#fd, `${pid} ${startTime}\n`);
    } catch {
      // The disk is full: should we be killed now, this one stays stopped.
    }
  }

  /** None is stopped any more. */
  clear(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    rmSync(this.#path, { force: true });
  }
}

/** What a record holds, in the order in which it was noted; nothing where there is none. */
export function readStopRecord(path: string): StoppedProcess[] {
  try {
    const lines = readFileSync(path, "latin1")
      .split("\n")
      .map((line) => line.split(" ").map(Number));
    return lines.map(([pid = 0, startTime = NaN]) => ({ pid, startTime })).filter(({ pid }) => pid > 1);
  } catch {
    return [];
  }
}
