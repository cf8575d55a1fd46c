import { SandboxError } from "../errors.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import type { WatchRequest } from "./types.ts";
import type { Watcher } from "./watcher.ts";
import type { Watchers } from "./watchers.ts";

/** How long a feed waits for a client that was cut off. */
const KEPT_MS = 60_000;
/** Items that a client may have received or not when it is cut off: kept for its return. */
const KEPT_ITEMS = 8192;
/** Feeds that wait for nobody else than a client that was cut off: the oldest goes first. */
const MAX_WAITING = 64;

interface Feed {
  watcher: Watcher;
  request: WatchRequest;
  readers: number;
  timer: Disposable | undefined;
}

/** A client's part in a feed. Disposing it ends the part; the feed waits a while for the client's return. */
export interface FeedReader extends Disposable {
  watcher: Watcher;
  /** Where it goes on, for {@link Watcher.follow}. */
  cursor: number;
  /** Everything before that cursor was received. */
  received(cursor: number): void;
  /** What a client sends to go on behind the item before `cursor`. */
  textOf(cursor: number): string;
}

/** Watchers that clients follow and come back to after an interruption, by cursor. */
export class Feeds implements AsyncDisposable {
  readonly #watchers: Watchers;
  readonly #feeds = new Map<string, Feed>();

  constructor(deps: { watchers: Watchers }) {
    this.#watchers = deps.watchers;
  }

  /**
   * Follows a directory; with the cursor of an earlier reader on from there. What is no longer kept begins with `rescan`.
   * @throws SandboxError invalid_argument (cursor), and what {@link Watchers.open} throws
   */
  async open(request: WatchRequest, cursorText: string | undefined): Promise<FeedReader> {
    const cursor = cursorText === undefined ? undefined : parseCursor(cursorText);
    const known = cursor && this.#feeds.get(cursor.id);
    if (cursor && known && isSame(known.request, request) && !known.watcher.hasFailed)
      return this.#join(known, cursor.position);
    const feed: Feed = { watcher: await this.#watchers.open(request), request, readers: 0, timer: undefined };
    this.#feeds.set(feed.watcher.id, feed);
    return this.#join(feed, cursor ? -1 : 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#feeds.values()].map((feed) => this.#end(feed)));
  }

  #join(feed: Feed, cursor: number): FeedReader {
    feed.readers += 1;
    feed.timer?.[Symbol.dispose]();
    const { watcher } = feed;
    let isReading = true;
    return {
      watcher,
      cursor,
      received: (position) => watcher.queue.forgetBefore(position - KEPT_ITEMS),
      textOf: (position) => `${watcher.id}-${position}`,
      [Symbol.dispose]: () => {
        if (isReading) this.#leave(feed);
        isReading = false;
      },
    };
  }

  #leave(feed: Feed): void {
    feed.readers -= 1;
    if (feed.readers > 0) return;
    feed.timer = longTimeout(() => void this.#end(feed), KEPT_MS);
    const waiting = [...this.#feeds.values()].filter(({ readers }) => readers === 0);
    // Whoever left last is at the end.
    this.#feeds.delete(feed.watcher.id);
    this.#feeds.set(feed.watcher.id, feed);
    const [oldest] = waiting;
    if (waiting.length > MAX_WAITING && oldest) void this.#end(oldest);
  }

  /** Nothing in it rejects: what a watcher holds is let go of without asking anybody. */
  async #end(feed: Feed): Promise<void> {
    feed.timer?.[Symbol.dispose]();
    this.#feeds.delete(feed.watcher.id);
    await feed.watcher[Symbol.asyncDispose]();
  }
}

function parseCursor(text: string): { id: string; position: number } {
  const [, id, position] = /^(w[a-z0-9]{20})-(-1|\d{1,15})$/.exec(text) ?? [];
  if (id !== undefined) return { id, position: Number(position) };
  throw new SandboxError("invalid_argument", `cursor ${JSON.stringify(text)} is none of ours`);
}

function isSame(a: WatchRequest, b: WatchRequest): boolean {
  return a.path === b.path && a.isRecursive === b.isRecursive && a.user === b.user;
}
