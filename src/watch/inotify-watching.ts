import { isDirectory } from "../filesystem/stats.ts";
import { IN, type InotifyRecord } from "../host/inotify.ts";
import type { NetworkMounts } from "../host/mounts.ts";
import { Coverage } from "./coverage.ts";
import { KernelWatches } from "./kernel-watches.ts";
import { type Moved, PendingMoves } from "./pending-moves.ts";
import { RecordSource } from "./record-source.ts";
import type { WatchedDirectory, WatchedTree } from "./watched-tree.ts";

/** Of a directory that another one was moved over: the kernel tells its parent nothing of that. */
const REPLACED = { mask: IN.DELETE, cookie: 0 };

/**
 * Whether what has just come to a name leaves it. Of two that are swapped in one step the kernel tells the same as of one that is moved to
 * a name and on from there; so what leaves may be the other one, and what came still there.
 */
function isMovedOn(before: InotifyRecord | undefined, { mask, watch, name }: InotifyRecord): boolean {
  if (!before || (before.mask & IN.MOVED_TO) === 0 || (mask & IN.MOVED_FROM) === 0) return false;
  return before.watch === watch && before.name === name;
}

/** A name that may be somebody's although its record says that it was left. */
interface Doubt {
  directory: WatchedDirectory;
  name: string;
}

export interface InotifyWatchingOptions {
  /** Directories at the same time. */
  maxWatches: number;
  mounts: NetworkMounts;
  /** Called when changes can no longer be told: by then it is disposed, and the trees have learned it. */
  failed: (error: unknown) => void;
}

/**
 * Watches trees with one inotify instance for all of them. Records are taken one at a time, each with the scans that it asks for;
 * trees are opened and closed at any time in between.
 */
export class InotifyWatching implements Disposable {
  readonly #trees = new Set<WatchedTree>();
  readonly #source: RecordSource;
  readonly #watches: KernelWatches;
  readonly #coverage: Coverage;
  readonly #moves: PendingMoves;
  #previous: InotifyRecord | undefined;
  readonly #doubts: Doubt[] = [];

  /** @throws the system error: EMFILE when the user's instances are used up */
  constructor(options: InotifyWatchingOptions) {
    this.#source = new RecordSource({
      take: (record) => this.#take(record),
      overflow: () => this.#overflowed(),
      failed: (error) => {
        for (const tree of this.#trees) tree.listener.failed(error);
        this[Symbol.dispose]();
        options.failed(error);
      },
    });
    this.#watches = new KernelWatches({ inotify: this.#source.inotify, maxWatches: options.maxWatches });
    this.#coverage = new Coverage({ watches: this.#watches, mounts: options.mounts });
    this.#moves = new PendingMoves((directory) => this.#coverage.release(directory));
  }

  /** Directories that the kernel watches now. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /** Begins to watch: resolves when everything below is covered. @throws the system error of the root, or resource_exhausted */
  async open(tree: WatchedTree): Promise<void> {
    this.#trees.add(tree);
    try {
      await this.#coverage.watch(tree.root);
      if (!tree.isRecursive) return;
      await this.#coverage.cover([tree.root], { tells: false, isAgain: true, onBatch: () => this.#source.pull() });
    } catch (error) {
      this.close(tree);
      throw error;
    }
  }

  /** Ends at once; the kernel's watches that nobody else needs are given back. */
  close(tree: WatchedTree): void {
    tree.isClosed = true;
    this.#trees.delete(tree);
    this.#coverage.release(tree.root);
    this.#moves.dropClosed();
  }

  /** Resolves when every change made so far was told, or none is told any more. */
  settle(): Promise<void> {
    return this.#source.settle();
  }

  [Symbol.dispose](): void {
    for (const tree of this.#trees) this.close(tree);
    this.#moves[Symbol.dispose]();
    this.#source[Symbol.dispose]();
  }

  #take(record: InotifyRecord): void | Promise<void> {
    if ((record.mask & IN.Q_OVERFLOW) !== 0) return this.#overflowed();
    if ((record.mask & IN.IGNORED) !== 0) return this.#watches.forget(record.watch);
    const unknown: WatchedDirectory[] = [];
    const mayBeSwap = isMovedOn(this.#previous, record);
    // What was moved is told of it in between.
    if (record.name !== "") this.#previous = record;
    for (const directory of this.#watches.of(record.watch)) {
      if (directory.isInTree) unknown.push(...this.#takeIn(directory, record, mayBeSwap));
      else this.#moves.hold(directory.top, { record, mayBeSwap });
    }
    const doubts = this.#doubts.splice(0);
    return unknown.length === 0 && doubts.length === 0 ? undefined : this.#catchUp(unknown, doubts);
  }

  /** Looks at what the records leave open: what is in new directories, and what is under doubtful names. */
  async #catchUp(unknown: readonly WatchedDirectory[], doubts: readonly Doubt[]): Promise<void> {
    if (unknown.length > 0) await this.#cover(unknown);
    for (const doubt of doubts) await this.#lookAgain(doubt);
  }

  /** Tells what is under a name that something has left; nothing if that is true. */
  async #lookAgain({ directory, name }: Doubt): Promise<void> {
    const { tree } = directory;
    if (!directory.isInTree) return;
    const found = await this.#coverage.look(directory, name);
    if (!directory.isInTree || found === "missing") return;
    if (found === "elsewhere") return this.#lose([tree]);
    tree.listener.changed({ type: "create", name: directory.nameOf(name) });
    if (tree.isRecursive && isDirectory(found)) await this.#cover([directory.child(name)]);
  }

  /** What `record` means for one of the places of its directory; which directories are new there. */
  #takeIn(directory: WatchedDirectory, record: InotifyRecord, mayBeSwap: boolean): readonly WatchedDirectory[] {
    const { tree } = directory;
    if (record.name === "") {
      // The parent tells what happens to other directories.
      if (directory === tree.root && tree.tellRoot(record)) this.#coverage.release(tree.root);
      return [];
    }
    const isFolder = tree.isRecursive && (record.mask & IN.ISDIR) !== 0;
    const isArrival = isFolder && (record.mask & IN.MOVED_TO) !== 0;
    const moved = isArrival ? this.#moves.take(record.cookie, directory) : undefined;
    // A scan has found it in its place already, so what is known under that name is the same directory.
    const isFound = directory.fresh?.has(record.name) ?? false;
    tree.tellEntry(directory, record, moved?.from);
    const child = directory.children.get(record.name);
    if (mayBeSwap) {
      // Whoever is told that it left forgets what is below: if it is there, it is as good as new.
      if (child) this.#leave(child, REPLACED);
      this.#doubts.push({ directory, name: record.name });
      return [];
    }
    if (!isFolder) return [];
    if ((record.mask & (IN.DELETE | IN.MOVED_FROM)) !== 0) {
      if (child) this.#leave(child, record);
      return [];
    }
    if ((record.mask & (IN.CREATE | IN.MOVED_TO)) === 0) return [];
    if (child && isArrival && !isFound) this.#leave(child, REPLACED);
    if (moved) return this.#arrive(directory, moved, record.name);
    return child?.parent && child.watch !== undefined ? [] : [directory.child(record.name)];
  }

  /** A directory is gone, or about to turn up elsewhere. */
  #leave(child: WatchedDirectory, { mask, cookie }: Pick<InotifyRecord, "mask" | "cookie">): void {
    const from = child.nameOf();
    child.detach();
    if ((mask & IN.MOVED_FROM) !== 0) this.#moves.add(cookie, child, from);
    else this.#coverage.release(child);
  }

  /** What was moved goes on under its new name; a scan may have found it there before. */
  #arrive(
    parent: WatchedDirectory,
    { directory, held }: Pick<Moved, "directory" | "held">,
    name: string,
  ): readonly WatchedDirectory[] {
    const found = parent.children.get(name);
    if (found) this.#coverage.release(directory);
    else directory.attach(parent, name);
    const unknown = held.flatMap(({ record, mayBeSwap }) =>
      this.#watches
        .of(record.watch)
        .filter((place) => place.isInTree && place.tree === parent.tree)
        .flatMap((place) => this.#takeIn(place, record, mayBeSwap)),
    );
    // What was covered while the move was still to be told was looked for under the old path, where by then nothing was, or something
    // newer. Another look costs little and tells nothing twice.
    const unsure = [...directory.all()].filter((below) => below === directory || !below.isSettled);
    return found ? unknown : [...unsure, ...unknown];
  }

  /** Covers what has come into a tree, and tells of all that is in it. */
  async #cover(directories: readonly WatchedDirectory[], options: { isAgain?: boolean } = {}): Promise<void> {
    const onBatch = (): void => this.#source.pull();
    const scanned = await this.#coverage.cover(directories, { tells: true, onBatch, ...options });
    // Every record of what the scans have told is ahead of this.
    this.#source.afterPending(() => {
      for (const directory of scanned) directory.fresh = undefined;
    });
  }

  #overflowed(): Promise<void> {
    return this.#lose([...this.#trees]);
  }

  /** Changes were lost, and with them perhaps directories: everything is looked at again. */
  async #lose(trees: readonly WatchedTree[]): Promise<void> {
    for (const tree of trees) tree.listener.lost();
    for (const tree of trees) if (tree.isRecursive) await this.#cover([tree.root], { isAgain: true });
  }
}
