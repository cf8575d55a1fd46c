import { withAbort } from "./abort.ts";

/** Admits one holder at a time, in the order of asking. */
export class Mutex {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** How many wait or hold. */
  get size(): number {
    return this.#waiting;
  }

  /**
   * Resolves when it is the caller's turn; disposing the result lets the next one in.
   * Rejects with the signal's reason when that aborts first; the place in the queue is given up.
   */
  async lock(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    const before = this.#tail;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    this.#tail = before.then(() => released);
    this.#waiting += 1;
    const leave = (): void => {
      this.#waiting -= 1;
      release();
    };
    try {
      await withAbort(before, signal);
    } catch (error) {
      leave();
      throw error;
    }
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) leave();
        isHeld = false;
      },
    };
  }
}
