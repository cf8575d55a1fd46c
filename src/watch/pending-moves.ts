import type { InotifyRecord } from "../host/inotify.ts";
import type { WatchedDirectory } from "./watched-tree.ts";

/** The kernel tells both ends of a move at once; this long is for a mover that lost its processor in between. */
const PATIENCE_MS = 100;

/** A record that cannot be told before it is known where. */
export interface HeldRecord {
  record: InotifyRecord;
  /** What it says left a name may be the other one of two that were swapped. */
  mayBeSwap: boolean;
}

/** A directory that has left its place and may turn up in another one. */
export interface Moved {
  directory: WatchedDirectory;
  /** Its name in the tree until then. */
  from: string;
  /** What happened below it since. */
  held: HeldRecord[];
}

/** Directories between the two records of their move. Whatever does not turn up again has left the tree: `drop` is called with it. */
export class PendingMoves implements Disposable {
  readonly #drop: (directory: WatchedDirectory) => void;
  readonly #moves = new Map<number, Moved[]>();
  #timer: NodeJS.Timeout | undefined;

  constructor(drop: (directory: WatchedDirectory) => void) {
    this.#drop = drop;
  }

  add(cookie: number, directory: WatchedDirectory, from: string): void {
    const move: Moved = { directory, from, held: [] };
    this.#moves.set(cookie, [...(this.#moves.get(cookie) ?? []), move]);
    this.#timer ??= this.#startTimer();
  }

  /** Takes what was moved with that cookie within the tree of `target`. */
  take(cookie: number, target: WatchedDirectory): Moved | undefined {
    const moves = this.#moves.get(cookie);
    const index = moves?.findIndex(({ directory }) => directory.tree === target.tree) ?? -1;
    return index < 0 ? undefined : moves?.splice(index, 1)[0];
  }

  /** Keeps a record that is about something below a moved directory; false when it is of none. */
  hold(top: WatchedDirectory, record: HeldRecord): boolean {
    for (const moves of this.#moves.values()) {
      const move = moves.find(({ directory }) => directory === top);
      if (move) return move.held.push(record) > 0;
    }
    return false;
  }

  /** Lets go of what belongs to trees that are closed. */
  dropClosed(): void {
    for (const moves of this.#moves.values()) {
      for (const { directory } of moves.filter((move) => move.directory.tree.isClosed)) this.#drop(directory);
    }
  }

  /** Those that come during the wait get one of their own. */
  #startTimer(): NodeJS.Timeout | undefined {
    const waiting = [...this.#moves.keys()];
    if (waiting.length === 0) return undefined;
    return setTimeout(() => {
      this.#expire(waiting);
      this.#timer = this.#startTimer();
    }, PATIENCE_MS).unref();
  }

  #expire(cookies: Iterable<number>): void {
    for (const cookie of cookies) {
      for (const { directory } of this.#moves.get(cookie) ?? []) this.#drop(directory);
      this.#moves.delete(cookie);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#expire([...this.#moves.keys()]);
  }
}
