import { Mutex } from "../lib/mutex.ts";

/** A turn; disposing it lets the next one in. */
export interface Turn extends Disposable {
  /** Whether others were before it. */
  readonly hasWaited: boolean;
}

/** One holder at a time for each key, in the order of asking. Keys that nobody holds cost nothing. */
export class KeyedLocks {
  readonly #mutexes = new Map<string, Mutex>();

  /** Resolves when it is the caller's turn. */
  async lock(key: string): Promise<Turn> {
    const mutex = this.#mutexes.get(key) ?? new Mutex();
    this.#mutexes.set(key, mutex);
    const hasWaited = mutex.size > 0;
    const held = await mutex.lock();
    return {
      hasWaited,
      [Symbol.dispose]: () => {
        held[Symbol.dispose]();
        if (mutex.size === 0 && this.#mutexes.get(key) === mutex) this.#mutexes.delete(key);
      },
    };
  }
}
