import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream";
import type { Logger } from "../log.ts";

/** A side that is gone without a word, or whose program has ended after it had ended its own half, is noticed after so long. */
const KEEPALIVE_MS = 30_000;

/** Connections that are handed on byte by byte, both ways; each side may end its own first. */
export class Relays implements Disposable {
  readonly #log: Logger;
  readonly #most: number;
  readonly #open = new Set<Socket>();
  #isFull = false;

  /** @param most connections at a time; each takes two descriptors */
  constructor({ most, log }: { most: number; log: Logger }) {
    this.#most = most;
    this.#log = log;
  }

  /** Hands `outside` on to a program; cut at once when there are as many as may be. */
  begin(outside: Socket, target: { host: string; port: number }): void {
    const isFull = this.#open.size >= this.#most * 2;
    if (isFull && !this.#isFull) this.#log.warn("forward.full", { connections: this.#most });
    this.#isFull = isFull;
    if (isFull) return void outside.resetAndDestroy();
    const inside = connect({ ...target, allowHalfOpen: true });
    for (const socket of [outside, inside]) {
      this.#open.add(socket);
      socket.setNoDelay(true).setKeepAlive(true, KEEPALIVE_MS);
      socket.once("close", () => this.#open.delete(socket));
    }
    // A connection that breaks off must not look like one that came to its end.
    outside.once("error", () => inside.resetAndDestroy());
    inside.once("error", () => outside.resetAndDestroy());
    const endBoth = (error: Error | null | undefined): void => {
      if (!error) return;
      outside.destroy();
      inside.destroy();
    };
    pipeline(outside, inside, endBoth);
    pipeline(inside, outside, endBoth);
  }

  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.destroy();
  }
}
