import { closeSync, constants, openSync } from "node:fs";
import { errnoName, fromErrno } from "../errors.ts";
import { Notifier } from "../lib/notifier.ts";
import { setInheritable } from "./libc.ts";

/** Columns and rows of a terminal, in characters. */
export interface TerminalSize {
  cols: number;
  rows: number;
}

interface NativePty {
  open: (cols: number, rows: number) => { master: number; slave: number; pty: string };
  resize: (fd: number, cols: number, rows: number) => void;
}

let native: NativePty | undefined;

/** Loads node-pty's addon when the first terminal is asked for. @throws what its loading throws */
export async function loadPty(): Promise<void> {
  native ??= ((await import("node-pty")) as unknown as { native: NativePty }).native;
}

/** A terminal as its program's run sees it. */
export class Terminal {
  /** Our end; never blocks. Whoever reads it owns it. */
  readonly master: number;
  /** The device, `/dev/pts/3`. */
  readonly path: string;
  readonly #resized = new Notifier();
  #size: TerminalSize;
  #slave: number | undefined;

  constructor(parts: { master: number; slave: number; path: string; size: TerminalSize }) {
    this.master = parts.master;
    this.path = parts.path;
    this.#slave = parts.slave;
    this.#size = parts.size;
  }

  get size(): TerminalSize {
    return this.#size;
  }

  /** Sets the size; the foreground programs get SIGWINCH. Whoever resizes last decides, for all viewers. */
  resize(size: TerminalSize): void {
    if (this.#slave === undefined) return;
    native?.resize(this.master, size.cols, size.rows);
    this.#size = size;
    this.#resized.notify();
  }

  /** Resolves at the next change of the size. */
  resized(signal: AbortSignal): Promise<void> {
    return this.#resized.wait(signal);
  }

  /**
   * Lets go of the program's end, which we hold as long as the program lives: one that closes all of its own and opens
   * /dev/tty again finds the terminal there.
   */
  release(): void {
    if (this.#slave === undefined) return;
    closeSync(this.#slave);
    this.#slave = undefined;
  }
}

/**
 * Opens a terminal, with a descriptor of the program's end for the program. node-pty's own `spawn` is not used: it forks the
 * whole daemon, writes in a busy loop, and cuts the output 200 ms after the exit.
 * @throws SandboxError resource_exhausted, unavailable
 */
export async function openTerminal(size: TerminalSize): Promise<{ terminal: Terminal; theirs: number }> {
  const opened: number[] = [];
  try {
    await loadPty();
    if (!native) throw new Error("node-pty has no addon");
    const { master, slave: nonBlocking, pty: path } = native.open(size.cols, size.rows);
    opened.push(master, nonBlocking);
    for (const fd of opened) setInheritable(fd, false);
    // Opened anew: what node-pty made of its descriptor would show in the program's.
    const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    opened.push(slave);
    const theirs = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    closeSync(nonBlocking);
    return { terminal: new Terminal({ master, slave, path, size }), theirs };
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw fromErrno(error, "cannot open a terminal", errnoName(error) ? undefined : "unavailable");
  }
}
