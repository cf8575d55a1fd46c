import { randomBytes } from "node:crypto";
import type { FileAccess } from "../host/file-access.ts";
import { EventQueue } from "./event-queue.ts";
import type { Change, GapReason, WatchItem, WatchMode } from "./types.ts";
import { walk } from "./walk.ts";

/** A cursor that is in no queue. */
const LOST = -1;
const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 20;
/** Items that are read at once. */
const BATCH_ITEMS = 256;

/** What a reader gets: items, and the cursor of whoever goes on after them. */
export interface WatchBatch {
  items: readonly WatchItem[];
  cursor: number;
  /** The same of whoever has received the items up to that one; -1 where the next reading is to begin with a rescan. */
  cursorOf: (index: number) => number;
}

/**
 * One watched directory and what was noticed there. It goes on without readers, within the bounds of its queue; each reader has a cursor
 * of its own. Who has missed something is told `rescan` and then everything that is there, as `create`. Disposing it gives everything back.
 */
export class Watcher implements AsyncDisposable {
  readonly id = newId();
  /** The directory, without links. */
  readonly path: string;
  /** The same as it was asked for. */
  readonly shownPath: string;
  readonly isRecursive: boolean;
  readonly access: FileAccess;
  readonly queue: EventQueue;
  mode: WatchMode = "inotify";
  readonly resources = new AsyncDisposableStack();
  readonly #settle: () => Promise<void>;

  constructor(options: {
    path: string;
    shownPath: string;
    isRecursive: boolean;
    access: FileAccess;
    maxItems: number;
    settle: () => Promise<void>;
  }) {
    this.path = options.path;
    this.shownPath = options.shownPath;
    this.isRecursive = options.isRecursive;
    this.access = options.access;
    this.queue = new EventQueue({ maxItems: options.maxItems });
    this.#settle = options.settle;
  }

  changed(change: Change): void {
    this.queue.push(change);
  }

  lost(): void {
    this.queue.markLost();
  }

  tellGap(name: string, reason: GapReason, mode: "polling" | "none"): void {
    this.queue.push({ type: "gap", name, reason, mode });
  }

  /** Nothing more will be noticed: who follows gets what was, then `error`. */
  fail(error: Error): void {
    this.queue.fail(error);
  }

  get hasFailed(): boolean {
    return this.queue.hasFailed;
  }

  /** Everything from `cursor` on as it comes, until `signal` aborts. @throws the signal's reason, or why nothing more will be noticed */
  async *follow(cursor: number, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    for (let at = cursor; ;) {
      await this.queue.wait(at, signal);
      for await (const batch of this.#available(at)) {
        signal.throwIfAborted();
        yield batch;
        at = batch.cursor;
      }
    }
  }

  /** Everything from `cursor` on that has happened by now, also what the kernel has not told yet. @throws why nothing more will be noticed */
  async *read(cursor: number): AsyncGenerator<WatchBatch> {
    await this.#settle();
    this.queue.checkEnd(cursor);
    yield* this.#available(cursor);
  }

  async *#available(cursor: number): AsyncGenerator<WatchBatch> {
    let at = cursor;
    if (!this.queue.has(at)) {
      at = this.queue.first;
      yield* this.#rescan(at);
    }
    // What comes while somebody reads is for the next time: a reader that is slower than the changes gets an end all the same.
    for (const { end } = this.queue; at < end;) {
      if (!this.queue.has(at)) return;
      const start = at;
      const items = this.queue.slice(start, Math.min(BATCH_ITEMS, end - start));
      at += items.length;
      yield { items, cursor: at, cursorOf: (index) => start + index + 1 };
    }
  }

  /** A reader that leaves during this begins it again. */
  async *#rescan(next: number): AsyncGenerator<WatchBatch> {
    let items: WatchItem[] = [{ type: "rescan" }];
    for await (const name of walk(this.access, this.path, this.isRecursive)) {
      items.push({ type: "create", name });
      if (items.length < BATCH_ITEMS) continue;
      yield { items, cursor: LOST, cursorOf: () => LOST };
      items = [];
    }
    const last = items.length - 1;
    yield { items, cursor: next, cursorOf: (index) => (index === last ? next : LOST) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resources.disposeAsync();
  }
}

/** `w` and twenty letters or digits, as clients know it. */
function newId(): string {
  const letters = [...randomBytes(ID_LENGTH)].map((byte) => ID_LETTERS[byte % ID_LETTERS.length]);
  return `w${letters.join("")}`;
}
