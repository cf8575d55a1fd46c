import { closeSync, constants, openSync, readFileSync, readlinkSync, rmSync, writeSync } from "node:fs";

/** A process by its number and when it began: with that the number stands for it alone. */
export interface StoppedProcess {
  pid: number;
  startTime: number;
}

/**
 * A file with the processes that are stopped by us, for whoever comes after us: nobody else could tell them from others. Its first line says
 * where those numbers mean anything.
 */
export class StopRecord {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** To be called before a process is stopped. */
  note({ pid, startTime }: StoppedProcess): void {
    try {
      const fd = this.#fd ?? this.#begin();
      writeSync(fd, `${pid} ${startTime}\n`);
    } catch {
      // The disk is full, or /proc does not say where we are: should we be killed now, this one stays stopped.
    }
  }

  /** A file of its own, whatever is there already: no link is followed. */
  #begin(): number {
    const space = numberSpace();
    rmSync(this.#path, { force: true });
    const fd = openSync(this.#path, "wx", 0o600);
    try {
      writeSync(fd, `${space}\n`);
      return (this.#fd = fd);
    } finally {
      // A record without its first line would say nothing of what comes after it.
      if (this.#fd === undefined) closeSync(fd);
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

/** What a record holds, in the order in which it was noted; nothing where there is none, or its numbers mean nothing here. */
export function readStopRecord(path: string): StoppedProcess[] {
  try {
    const [space, ...lines] = readText(path).split("\n");
    if (space !== numberSpace()) return [];
    const fields = lines.map((line) => line.split(" ").map(Number));
    return fields.map(([pid = 0, startTime = NaN]) => ({ pid, startTime })).filter(({ pid }) => pid > 1);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return readFileSync(fd, "latin1");
  } finally {
    closeSync(fd);
  }
}

/** What a process's number and start time belong to: this boot of the machine, where start times are counted from, and this container. */
function numberSpace(): string {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
}
