import { SandboxError } from "../errors.ts";
import type { Inotify } from "../host/inotify.ts";
import type { FilePath } from "../host/file-access.ts";
import type { WatchedDirectory } from "./watched-tree.ts";

/**
 * Which directories each kernel watch serves: the kernel has one for a directory, however many trees it is in, and the last one that
 * lets go of it gives it back.
 */
export class KernelWatches {
  readonly #inotify: Inotify;
  readonly #maxWatches: number;
  readonly #byNumber = new Map<number, Set<WatchedDirectory>>();

  constructor(deps: { inotify: Inotify; maxWatches: number }) {
    this.#inotify = deps.inotify;
    this.#maxWatches = deps.maxWatches;
  }

  /** How many directories are watched. */
  get size(): number {
    return this.#byNumber.size;
  }

  /** Watches `directory`, which is at `path`; whether that is another one than so far. @throws the system error, or resource_exhausted */
  bind(directory: WatchedDirectory, path: FilePath): boolean {
    if (this.#byNumber.size >= this.#maxWatches && directory.watch === undefined) {
      throw new SandboxError("resource_exhausted", `${this.#maxWatches} directories are watched already`);
    }
    const watch = this.#inotify.add(path);
    if (directory.watch === watch) return false;
    this.release(directory);
    directory.watch = watch;
    const known = this.#byNumber.get(watch);
    if (known) known.add(directory);
    else this.#byNumber.set(watch, new Set([directory]));
    return true;
  }

  /** Whether `path` leads to `directory` as it is watched. @throws the system error */
  isAt(directory: WatchedDirectory, path: FilePath): boolean {
    const watch = this.#inotify.add(path);
    if (!this.#byNumber.has(watch)) this.#inotify.remove(watch);
    return watch === directory.watch;
  }

  /** Directories that records of a watch are about. */
  of(watch: number): readonly WatchedDirectory[] {
    return [...(this.#byNumber.get(watch) ?? [])];
  }

  release(directory: WatchedDirectory): void {
    const { watch } = directory;
    if (watch === undefined) return;
    directory.watch = undefined;
    const known = this.#byNumber.get(watch);
    known?.delete(directory);
    if (!known || known.size > 0) return;
    this.#byNumber.delete(watch);
    this.#inotify.remove(watch);
  }

  /** The kernel has dropped a watch: its directory is gone. */
  forget(watch: number): void {
    for (const directory of this.of(watch)) directory.watch = undefined;
    this.#byNumber.delete(watch);
  }
}
