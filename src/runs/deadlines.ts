import type { ProgramClock } from "../lib/program-clock.ts";
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

/** Watches the limits of one run by the time that programs have, and says once which passed first. Disposing stops it. */
export class Deadlines implements Disposable {
  readonly #timers = new DisposableStack();
  readonly #clock: ProgramClock;
  readonly #onExpire: (which: DeadlineKind) => void;
  #silence: Disposable | undefined;
  #lastOutputAt: number;
  #hasOutput = false;

  constructor(limits: DeadlineLimits, clock: ProgramClock, onExpire: (which: DeadlineKind) => void) {
    this.#clock = clock;
    this.#onExpire = onExpire;
    this.#lastOutputAt = clock.now();
    const { wallMs, idleMs, startMs } = limits;
    if (wallMs !== undefined) this.#timers.use(clock.timeout(() => this.#expire("wall"), wallMs));
    if (startMs !== undefined) this.#timers.use(clock.timeout(() => this.#hasOutput || this.#expire("start"), startMs));
    if (idleMs !== undefined) this.#watchSilence(idleMs, idleMs);
  }

  noteOutput(): void {
    this.#hasOutput = true;
    this.#lastOutputAt = this.#clock.now();
  }

  [Symbol.dispose](): void {
    this.#timers.dispose();
    this.#silence?.[Symbol.dispose]();
  }

  /** One timer, set again for what is left: output itself costs nothing but a look at the clock. */
  #watchSilence(idleMs: number, waitMs: number): void {
    const check = (): void => {
      const leftMs = this.#lastOutputAt + idleMs - this.#clock.now();
      if (leftMs <= 0) this.#expire("idle");
      else this.#watchSilence(idleMs, leftMs);
    };
    this.#silence = this.#clock.timeout(check, waitMs);
  }

  #expire(which: DeadlineKind): void {
    this[Symbol.dispose]();
    this.#onExpire(which);
  }
}
