import * as fs from "node:fs";
import { promisify } from "node:util";
import { errnoName } from "../errors.ts";
import { kernelUuid } from "../lib/uuid.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
/** Files that are removed at once: the threads of the pool are others', too. */
const UNLINKS_AT_ONCE = 32;
/** Each level of a tree holds two descriptors. What is deeper is moved up. */
const MAX_DEPTH = 32;
/** Somebody may be adding files while a directory is being emptied, or put something in its place; not for ever. */
const MAX_ROUNDS = 8;
const IN_DIRECTORY = /\/proc\/self\/fd\/\d+\//g;

const calls = {
  open: promisify(fs.open),
  opendir: promisify(fs.opendir),
  fstat: promisify(fs.fstat),
  unlink: promisify(fs.unlink),
  rmdir: promisify(fs.rmdir),
  rename: promisify(fs.rename),
};

/**
 * Removes what is in the open directory `fd`, but for the entry `kept`. Everything is opened and removed by its name in an open directory: links are
 * removed, not followed, also those that somebody puts in the way meanwhile. Mounts and other devices are not entered. What cannot be removed stays, and
 * all else goes; nothing more does once `signal` aborts.
 * @returns why something is left; undefined: nothing is
 */
export async function emptyDirectory(
  fd: number,
  { kept, signal }: { kept: string; signal: AbortSignal },
): Promise<string | undefined> {
  const removal = new TreeRemoval(fd, signal);
  try {
    await removal.run(kept);
  } catch (error) {
    if (signal.aborted) return "there was no time for all of it";
    removal.note(error);
  }
  return removal.fault;
}

class TreeRemoval {
  readonly #top: string;
  readonly #device: number;
  readonly #signal: AbortSignal;
  /** In the topmost directory, by one reading of it. */
  #found = 0;
  #faults = 0;
  #firstFault: unknown;

  constructor(fd: number, signal: AbortSignal) {
    this.#top = selfOf(fd);
    this.#device = fs.fstatSync(fd).dev;
    this.#signal = signal;
  }

  get fault(): string | undefined {
    if (this.#faults === 0) return undefined;
    return `${faultWords(this.#firstFault)}${this.#faults > 1 ? ` (and ${this.#faults - 1} more)` : ""}`;
  }

  note(error: unknown): void {
    if (this.#faults === 0) this.#firstFault = error;
    this.#faults += 1;
  }

  async run(kept: string): Promise<void> {
    const skipped = new Set([kept]);
    do {
      this.#found = 0;
      await this.#empty(this.#top, 0, skipped);
    } while (this.#found > 0);
  }

  /** Whether nothing is left but what was `skipped`; what cannot be removed is skipped from then on. */
  async #empty(directory: string, depth: number, skipped = new Set<string>()): Promise<boolean> {
    let isEmpty = true;
    for await (const names of namesIn(directory)) {
      this.#signal.throwIfAborted();
      const wanted = names.filter((name) => !skipped.has(name.toString("latin1")));
      if (depth === 0) this.#found += wanted.length;
      const paths = wanted.map((name) => Buffer.concat([Buffer.from(`${directory}/`), name]));
      // All of them settle before anything is thrown: their paths have the number of a descriptor, which is closed then.
      const areFiles = await Promise.all(paths.map((path) => this.#attempt(() => removeFile(path))));
      this.#signal.throwIfAborted();
      // One directory after the other: each level of the tree holds its descriptors.
      for (const [index, path] of paths.entries()) {
        const isFile = areFiles[index];
        const isGone = isFile === false ? await this.#attempt(() => this.#removeDirectory(path, depth)) : isFile;
        this.#signal.throwIfAborted();
        if (isGone) continue;
        isEmpty = false;
        skipped.add(wanted[index]?.toString("latin1") ?? "");
      }
    }
    return isEmpty;
  }

  /** What `call` says; undefined when it failed, which is noted unless the time is over. Never rejects. */
  async #attempt(call: () => Promise<boolean>): Promise<boolean | undefined> {
    try {
      return await call();
    } catch (error) {
      if (!this.#signal.aborted) this.note(error);
      return undefined;
    }
  }

  /** Whether it is gone; false: for a reason that was noted. */
  async #removeDirectory(path: Buffer, depth: number): Promise<boolean> {
    for (let round = 1; ; round += 1) {
      this.#signal.throwIfAborted();
      const busy = await removeIfEmpty(path);
      if (!busy || (await removeFile(path))) return true;
      if (round > MAX_ROUNDS) throw busy;
      if (depth === MAX_DEPTH) return this.#moveUp(path);
      using child = await openIfDirectory(path);
      if (!child) continue;
      if ((await calls.fstat(child.fd)).dev !== this.#device) throw new Error("another device");
      if (!(await this.#empty(selfOf(child.fd), depth + 1))) return false;
    }
  }

  /** Its turn comes again, where nobody else may rename it and fewer directories have to be open. */
  async #moveUp(path: Buffer): Promise<boolean> {
    await calls.rename(path, `${this.#top}/${kernelUuid()}`);
    return true;
  }
}

/** The open directory itself, as a path for any call. */
export function selfOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** What failed, without the way to it: that is a number. */
export function faultWords(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(IN_DIRECTORY, "");
}

/** What a call on a path has said; undefined when there is nothing any more. */
export function ifThere<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoName(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** What is in a directory, some names at a time. */
async function* namesIn(directory: string): AsyncIterable<Buffer[]> {
  // Node takes it, its types do not know: names need not be UTF-8.
  const encoding = "buffer" as BufferEncoding;
  let names: Buffer[] = [];
  for await (const { name } of await calls.opendir(directory, { encoding, bufferSize: UNLINKS_AT_ONCE })) {
    names.push(name as unknown as Buffer);
    if (names.length < UNLINKS_AT_ONCE) continue;
    yield names;
    names = [];
  }
  yield names;
}

/** Whether it is gone; false: it is a directory. */
async function removeFile(path: Buffer): Promise<boolean> {
  try {
    await calls.unlink(path);
    return true;
  } catch (error) {
    const name = errnoName(error);
    if (name !== "ENOENT" && name !== "EISDIR") throw error;
    return name === "ENOENT";
  }
}

/** Why it is still there, not being empty or no directory any more. A mount is an error: EBUSY. */
async function removeIfEmpty(path: Buffer): Promise<Error | undefined> {
  try {
    await calls.rmdir(path);
  } catch (error) {
    const name = errnoName(error) ?? "";
    if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(name)) return error as Error;
    if (name !== "ENOENT") throw error;
  }
  return undefined;
}

/** Undefined when it is gone, or has become something else. */
async function openIfDirectory(path: Buffer): Promise<(Disposable & { fd: number }) | undefined> {
  try {
    const fd = await calls.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return { fd, [Symbol.dispose]: () => fs.closeSync(fd) };
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoName(error) ?? "")) return undefined;
    throw error;
  }
}
