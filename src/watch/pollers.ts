import { SandboxError } from "../errors.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import { Mutex } from "../lib/mutex.ts";
import type { WatchItem } from "./types.ts";
import type { Watcher } from "./watcher.ts";

/** More are a client that forgets to remove them. */
const MAX_POLLERS = 4096;

interface Poller {
  watcher: Watcher;
  /** Of the first item that nobody has fetched. */
  cursor: number;
  idleTimer: Disposable;
  /** One call at a time takes items: each is given once. */
  turn: Mutex;
}

/** Watchers that are asked from time to time what has happened, by their id. Those that nobody asks for long are dropped. */
export class Pollers implements AsyncDisposable {
  readonly #idleMs: number;
  readonly #pollers = new Map<string, Poller>();

  constructor(options: { idleMs: number }) {
    this.#idleMs = options.idleMs;
  }

  /** Takes over what `open` makes. @returns its id @throws SandboxError resource_exhausted */
  async add(open: () => Promise<Watcher>): Promise<string> {
    if (this.#pollers.size >= MAX_POLLERS) {
      throw new SandboxError("resource_exhausted", `${MAX_POLLERS} watchers exist already`, {
        hint: "remove those that nobody polls",
      });
    }
    const watcher = await open();
    const { id } = watcher;
    this.#pollers.set(id, { watcher, cursor: 0, idleTimer: this.#idleTimer(id), turn: new Mutex() });
    return id;
  }

  /** @throws SandboxError not_found */
  get(id: string): Watcher {
    return this.#find(id).watcher;
  }

  /**
   * What has happened since the last call, in pieces: every change made before this call, each given once.
   * @throws SandboxError not_found
   */
  async *take(id: string, signal: AbortSignal): AsyncGenerator<readonly WatchItem[]> {
    const poller = this.#find(id);
    poller.idleTimer[Symbol.dispose]();
    poller.idleTimer = this.#idleTimer(id);
    using _turn = await poller.turn.lock(signal);
    for await (const { items, cursor } of poller.watcher.read(poller.cursor)) {
      poller.cursor = cursor;
      poller.watcher.queue.forgetBefore(cursor);
      yield items;
    }
  }

  /** @throws SandboxError not_found */
  async remove(id: string): Promise<void> {
    const { watcher, idleTimer } = this.#find(id);
    this.#pollers.delete(id);
    idleTimer[Symbol.dispose]();
    await watcher[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pollers.keys()].map((id) => this.remove(id)));
  }

  #find(id: string): Poller {
    const poller = this.#pollers.get(id);
    if (poller) return poller;
    throw new SandboxError("not_found", `watcher with id ${id} not found`);
  }

  #idleTimer(id: string): Disposable {
    return longTimeout(() => void this.remove(id).catch(() => undefined), this.#idleMs); // removed by others: as good
  }
}
