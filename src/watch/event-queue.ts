import { Notifier } from "../lib/notifier.ts";
import type { WatchItem } from "./types.ts";

/**
 * What a watcher has noticed, numbered, at most `maxItems` of it: the oldest goes first. Readers hold a cursor, the number of the next
 * item they want; one that is no longer there tells them that they have missed something. Readers never hold up whoever writes.
 */
export class EventQueue {
  readonly #maxItems: number;
  readonly #notifier = new Notifier();
  #items: WatchItem[] = [];
  /** Of the array's items, those before this one are gone; cut off when they are many. */
  #head = 0;
  /** Number of the oldest item that is there. */
  #first = 0;
  #failure: Error | undefined;

  constructor(options: { maxItems: number }) {
    this.#maxItems = options.maxItems;
  }

  /** Cursor of whoever wants only what comes from now on. */
  get end(): number {
    return this.#first + this.#items.length - this.#head;
  }

  push(item: WatchItem): void {
    this.#items.push(item);
    if (this.#items.length - this.#head > this.#maxItems) this.#drop(1);
    this.#notifier.notify();
  }

  /** Something was missed: every reader, wherever it is, has lost items. */
  markLost(): void {
    this.#first = this.end + 1;
    this.#items = [];
    this.#head = 0;
    this.#notifier.notify();
  }

  /** Nothing will come any more: whoever has read what there is gets `error`. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#notifier.notify();
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws what the queue has failed with, to whoever has read everything before it */
  checkEnd(cursor: number): void {
    if (this.#failure && this.#isAtEnd(cursor)) throw this.#failure;
  }

  /** Whether items from `cursor` on are all there. */
  has(cursor: number): boolean {
    return cursor >= this.#first && cursor <= this.end;
  }

  /** Where a reader goes on that has lost items. */
  get first(): number {
    return this.#first;
  }

  /** Up to `count` items from `cursor` on. */
  slice(cursor: number, count: number): WatchItem[] {
    const from = this.#head + Math.max(cursor - this.#first, 0);
    return this.#items.slice(from, from + count);
  }

  /** Nobody wants what is before `cursor`. */
  forgetBefore(cursor: number): void {
    if (cursor > this.#first) this.#drop(Math.min(cursor - this.#first, this.#items.length - this.#head));
  }

  /** Resolves when something has come that is not before `cursor`. @throws the signal's reason, or what the queue has failed with */
  async wait(cursor: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    for (; this.#isAtEnd(cursor); await this.#notifier.wait(signal)) this.checkEnd(cursor);
  }

  #isAtEnd(cursor: number): boolean {
    return this.end <= cursor && cursor >= this.#first;
  }

  #drop(count: number): void {
    this.#head += count;
    this.#first += count;
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
