import { Mutex } from "./mutex.ts";

/** A turn; disposing it lets the next one in. */
export interface Turn extends Disposable {
  /** Whether others were before it. */
  readonly hasWaited: boolean;
}

/** One holder at a time for each key, in the order of asking. Keys that nobody holds cost nothing. */
export class KeyedLocks {
  readonly #mutexes = new Map<string, Mutex>();

  /** Resolves when it is the caller's turn; rejects with the signal's reason when that aborts first. */
  async lock(key: string, signal?: AbortSignal): Promise<Turn> {
    const mutex = this.#mutexes.get(key) ?? new Mutex();
    this.#mutexes.set(key, mutex);
    const hasWaited = mutex.size > 0;
    try {
      const held = await mutex.lock(signal);
      return {
        hasWaited,
        [Symbol.dispose]: () => {
          held[Symbol.dispose]();
          this.#forget(key, mutex);
        },
      };
    } catch (error) {
      this.#forget(key, mutex);
      throw error;
    }
  }

  #forget(key: string, mutex: Mutex): void {
    if (mutex.size === 0 && this.#mutexes.get(key) === mutex) this.#mutexes.delete(key);
  }
}
