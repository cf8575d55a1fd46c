import { longTimeout } from "../lib/long-timeout.ts";
import type { DeadlineKind } from "./ending.ts";

/** Limits of a run in ms; none unless given. */
export interface DeadlineLimits {
  /** From its start to its end. */
  wallMs?: number | undefined;
  /** Without output. */
  idleMs?: number | undefined;
  /** From its start to its first output. */
  startMs?: number | undefined;
}

/** Watches the limits of one run and says once which passed first. Disposing stops it. */
export class Deadlines implements Disposable {
  readonly #timers = new DisposableStack();
  readonly #onExpire: (which: DeadlineKind) => void;
  #silence: Disposable | undefined;
  #lastOutputAt = performance.now();
  #hasOutput = false;

  constructor(limits: DeadlineLimits, onExpire: (which: DeadlineKind) => void) {
    this.#onExpire = onExpire;
    const { wallMs, idleMs, startMs } = limits;
    if (wallMs !== undefined) this.#timers.use(longTimeout(() => this.#expire("wall"), wallMs));
    if (startMs !== undefined) this.#timers.use(longTimeout(() => this.#hasOutput || this.#expire("start"), startMs));
    if (idleMs !== undefined) this.#watchSilence(idleMs, idleMs);
  }

  noteOutput(): void {
    this.#hasOutput = true;
    this.#lastOutputAt = performance.now();
  }

  [Symbol.dispose](): void {
    this.#timers.dispose();
    this.#silence?.[Symbol.dispose]();
  }

  /** One timer, set again for what is left: output itself costs nothing but a look at the clock. */
  #watchSilence(idleMs: number, waitMs: number): void {
    const check = (): void => {
      const leftMs = this.#lastOutputAt + idleMs - performance.now();
      if (leftMs <= 0) this.#expire("idle");
      else this.#watchSilence(idleMs, leftMs);
    };
    this.#silence = longTimeout(check, waitMs);
  }

  #expire(which: DeadlineKind): void {
    this[Symbol.dispose]();
    this.#onExpire(which);
  }
}
