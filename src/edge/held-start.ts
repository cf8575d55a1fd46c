import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Holds back what an answer begins with until there is more to say, at most `forMs`, or until the answer ends: of a small answer
 * each write takes as long as the work for it.
 */
export class HeldStart implements Disposable {
  /** None while an earlier answer is still being written to the connection. */
  #socket: Socket | null;
  readonly #timer: NodeJS.Timeout;

  constructor(outgoing: ServerResponse, forMs: number) {
    this.#socket = outgoing.socket;
    this.#socket?.cork();
    this.#timer = setTimeout(() => this[Symbol.dispose](), forMs);
  }

  /** Lets it go, together with what is written in this turn of the loop. */
  release(): void {
    if (this.#socket) process.nextTick(() => this[Symbol.dispose]());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#socket?.uncork();
    this.#socket = null;
  }
}
