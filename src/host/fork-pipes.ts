import { chownSync, closeSync, constants, fstatSync, mkdirSync, openSync, rmSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fromErrno } from "../errors.ts";
import { OWN_FILE_ACCESS } from "./own-file-access.ts";
import type { Identity } from "./users.ts";

/** Names of the FIFOs, and which end of each is ours. `report` is where the program's shim tells of it. */
const OUR_ENDS = { stdout: "read", stderr: "read", requests: "write", events: "read", report: "read" } as const;
type PipeName = keyof typeof OUR_ENDS;
const NAMES = Object.keys(OUR_ENDS) as PipeName[];

const FLAGS = {
  read: constants.O_RDONLY | constants.O_NONBLOCK,
  write: constants.O_WRONLY | constants.O_NONBLOCK,
};

/**
 * The pipes of a program that another program forks for us: FIFOs, because they are handed over by their path. Our ends stay
 * open without the other ones until `handOver()`. Disposing removes the paths and closes what nobody took.
 */
export class ForkPipes implements Disposable {
  /** Holds the FIFOs. */
  readonly folder: string;
  /** Our ends. */
  readonly fds: Readonly<Record<PipeName, number>>;
  /** What links in /proc to standard output and standard error point to. */
  readonly targets: ReadonlySet<string>;
  /** The other ends, so that ours see no end of file before the program has opened them. */
  readonly #held: readonly number[];
  #isTaken = false;
  #isDisposed = false;

  private constructor(folder: string, fds: Record<PipeName, number>, held: readonly number[]) {
    this.folder = folder;
    this.fds = fds;
    this.#held = held;
    this.targets = new Set([fds.stdout, fds.stderr].map((fd) => `pipe:[${fstatSync(fd).ino}]`));
  }

  /** Makes the pipes in a new folder in `parent`, for `owner` alone. @throws SandboxError resource_exhausted */
  static async open(parent: string, owner: Identity): Promise<ForkPipes> {
    const folder = join(parent, randomBytes(8).toString("hex"));
    const opened: number[] = [];
    try {
      mkdirSync(folder, { mode: 0o711 });
      for (const name of NAMES) {
        // oxlint-disable-next-line no-await-in-loop -- five short calls, which would queue for the same threads anyway
        await OWN_FILE_ACCESS.makeFifo(join(folder, name), 0o600);
        if (process.geteuid?.() === 0) chownSync(join(folder, name), owner.uid, owner.gid);
      }
      const ends = NAMES.map((name) => openBoth(join(folder, name), OUR_ENDS[name], opened));
      const fds = Object.fromEntries(NAMES.map((name, index) => [name, ends[index]?.ours ?? -1]));
      return new ForkPipes(
        folder,
        fds as Record<PipeName, number>,
        ends.map(({ theirs }) => theirs),
      );
    } catch (error) {
      for (const fd of opened) closeSync(fd);
      rmSync(folder, { recursive: true, force: true });
      throw fromErrno(error, "cannot open the program's pipes");
    }
  }

  /** The program has opened its ends: from now on ours are the caller's to close, and end when the program closes its own. */
  handOver(): void {
    this.#isTaken = true;
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    rmSync(this.folder, { recursive: true, force: true });
    for (const fd of this.#held) closeSync(fd);
    if (!this.#isTaken) for (const fd of Object.values(this.fds)) closeSync(fd);
  }
}

/** Opens both ends of a FIFO, the reading one first: there is no writing to one that nobody reads. */
function openBoth(path: string, our: "read" | "write", opened: number[]): { ours: number; theirs: number } {
  const reader = openSync(path, FLAGS.read);
  opened.push(reader);
  const writer = openSync(path, FLAGS.write);
  opened.push(writer);
  return our === "read" ? { ours: reader, theirs: writer } : { ours: writer, theirs: reader };
}
