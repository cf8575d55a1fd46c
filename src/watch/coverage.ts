import { constants } from "node:fs";
import { errnoName, SandboxError } from "../errors.ts";
import type { DirectoryEntry, FileDescriptor, FileStats } from "../host/file-access.ts";
import type { NetworkMounts } from "../host/mounts.ts";
import type { KernelWatches } from "./kernel-watches.ts";
import { exactPath } from "./types.ts";
import type { WatchedDirectory } from "./watched-tree.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** Directories that are read at the same time. */
const BATCH = 16;
/** Something of the machine's is used up: watches, descriptors, memory. */
const USED_UP = new Set(["ENOSPC", "EMFILE", "ENFILE", "ENOMEM"]);
/** The directory is no longer at that path; something else may be. */
const MOVED = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);
/** The list of mounts is as good as new for so long. */
const MOUNTS_AGE_MS = 1000;

export interface CoverOptions {
  /** What is found is told as if it were made just now. */
  tells: boolean;
  /** Known directories are looked at again: changes may have been lost. */
  isAgain?: boolean;
  /** Called between batches. */
  onBatch?: () => void;
}

/** Puts directories and what is below them under watch. First the watch, then the look inside: nothing falls between. */
export class Coverage {
  readonly #watches: KernelWatches;
  readonly #network: NetworkMounts;
  #mounts: ReadonlySet<string> = new Set();
  #mountsReadAt = -Infinity;

  constructor(deps: { watches: KernelWatches; mounts: NetworkMounts }) {
    this.#watches = deps.watches;
    this.#network = deps.mounts;
  }

  /** Covers `directories`; what vanishes meanwhile or may not be read is left out. @returns those that were scanned */
  async cover(directories: readonly WatchedDirectory[], options: CoverOptions): Promise<WatchedDirectory[]> {
    const scanned: WatchedDirectory[] = [];
    const waiting = [...directories];
    while (waiting.length > 0) {
      const mounts = await this.#networkMounts();
      const batch = waiting.splice(-BATCH).filter((directory) => !this.#isOnNetwork(directory, mounts));
      const found = await Promise.all(batch.map((directory) => this.#coverOne(directory, options)));
      scanned.push(...batch);
      waiting.push(...found.flat());
      options.onBatch?.();
    }
    return scanned;
  }

  /** Watches one directory. @throws the system error */
  async watch(directory: WatchedDirectory): Promise<boolean> {
    const { tree } = directory;
    const path = tree.pathOf(directory);
    if (!tree.access.user) return directory.isInTree && this.#watches.bind(directory, path);
    // With somebody's rights: what they may open is what is watched, whatever the path leads to by now.
    await using opened = await tree.access.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return directory.isInTree && this.#watches.bind(directory, within(opened));
  }

  /**
   * What entry `name` of a watched directory is, whatever its path leads to by now.
   * @returns `elsewhere` when the directory is not where it was
   */
  async look(directory: WatchedDirectory, name: string): Promise<FileStats | "missing" | "elsewhere"> {
    const { tree } = directory;
    try {
      await using opened = await tree.access.open(tree.pathOf(directory), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!this.#watches.isAt(directory, within(opened))) return "elsewhere";
      return await tree.access.lstat(exactPath(Buffer.from(opened.self), name)).catch(() => "missing" as const);
    } catch {
      return "elsewhere";
    }
  }

  async #coverOne(directory: WatchedDirectory, { tells, isAgain = false }: CoverOptions): Promise<WatchedDirectory[]> {
    const { tree } = directory;
    if (!directory.isInTree) return [];
    let entries: DirectoryEntry[] = [];
    let isOther = false;
    try {
      isOther = await this.watch(directory);
      directory.isAstray = false;
      if (!tree.isRecursive || !(isOther || isAgain)) return [];
      do entries = await tree.access.readEntries(tree.pathOf(directory));
      // What was read may be another directory that has come to that path since: then that one is meant.
      while (await this.watch(directory));
    } catch (error) {
      // Nothing of what is in it was told: whoever finds it next is to begin anew.
      if (isOther) this.release(directory);
      this.#skip(directory, error);
      return [];
    }
    // It may be gone from the tree since.
    if (!directory.isInTree) return [];
    if (isOther) this.#dropMissing(directory, new Set());
    if (tells && isOther) directory.fresh = tellAll(directory, entries);
    const names = entries.filter(({ type }) => type === "directory").map(({ name }) => name);
    if (isAgain) this.#dropMissing(directory, new Set(names));
    const unknown = names.filter((name) => isAgain || !directory.children.has(name));
    return unknown.map((name) => directory.child(name));
  }

  async #networkMounts(): Promise<ReadonlySet<string>> {
    const now = performance.now();
    if (now - this.#mountsReadAt < MOUNTS_AGE_MS) return this.#mounts;
    try {
      this.#mounts = await this.#network.points();
      this.#mountsReadAt = now;
    } catch (error) {
      // Out of descriptors or memory for a moment: what was there a while ago is the best guess.
      if (errnoName(error) === undefined) throw error;
    }
    return this.#mounts;
  }

  /** A mount below the root may hang whoever touches it. */
  #isOnNetwork(directory: WatchedDirectory, mounts: ReadonlySet<string>): boolean {
    const { tree } = directory;
    if (mounts.size === 0 || !directory.parent || !directory.isInTree) return false;
    if (!mounts.has(tree.pathOf(directory).toString("latin1"))) return false;
    const name = directory.nameOf();
    directory.detach();
    tree.listener.gap(name, "network");
    return true;
  }

  /** What cannot be watched: told, unless it is gone or nobody's business. */
  #skip(directory: WatchedDirectory, error: unknown): void {
    const { tree } = directory;
    const place = directory.nameOf();
    const name = errnoName(error);
    // Gone, or already under another name: a record on its way says which. Those of what is known below are still to come, too.
    if (MOVED.has(name ?? "")) return void (directory.isAstray = true);
    this.release(directory);
    if (directory.parent) directory.detach();
    const isBudget = USED_UP.has(name ?? "") || (error instanceof SandboxError && error.code === "resource_exhausted");
    // Nothing that a file system says: what is missed by it cannot be told.
    if (name === undefined && !isBudget) return tree.listener.failed(error);
    if (!isBudget && name !== "ENAMETOOLONG") return;
    tree.listener.gap(place, isBudget ? "budget" : "path_too_long");
  }

  #dropMissing(directory: WatchedDirectory, names: ReadonlySet<string>): void {
    for (const child of directory.children.values()) {
      if (names.has(child.name)) continue;
      this.release(child);
      child.detach();
    }
  }

  /** Gives back the watches of a directory and of everything below. */
  release(directory: WatchedDirectory): void {
    for (const each of directory.all()) this.#watches.release(each);
  }
}

/** Path of an open directory that is no link itself. */
function within({ self }: FileDescriptor): string {
  return `${self}/.`;
}

/** Tells of every entry as made; which names it has told. */
function tellAll(directory: WatchedDirectory, entries: readonly DirectoryEntry[]): Set<string> {
  const { listener } = directory.tree;
  for (const { name } of entries) listener.changed({ type: "create", name: directory.nameOf(name) });
  return new Set(entries.map(({ name }) => name));
}
