import { awakeClock } from "./awake-clock.ts";

interface Timer {
  callback: () => void;
  dueAt: number;
  waiting: Disposable | undefined;
}

/**
 * Time as programs have it: it stands still while they are frozen, and while this process was stopped, most likely with them.
 * Whatever limits what a program may take counts by it.
 */
export class ProgramClock {
  readonly #timers = new Set<Timer>();
  #frozenMs = 0;
  #frozenAt: number | undefined;

  /** Milliseconds on a scale of its own. */
  now(): number {
    return (this.#frozenAt ?? awakeClock.now()) - this.#frozenMs;
  }

  /** Programs are frozen from now on. Idempotent. */
  freeze(): void {
    if (this.#frozenAt !== undefined) return;
    this.#frozenAt = awakeClock.now();
    for (const timer of this.#timers) timer.waiting?.[Symbol.dispose]();
  }

  /** They go on. Idempotent. */
  thaw(): void {
    if (this.#frozenAt === undefined) return;
    this.#frozenMs += awakeClock.now() - this.#frozenAt;
    this.#frozenAt = undefined;
    for (const timer of this.#timers) this.#arm(timer);
  }

  /** Calls back after `delayMs`, of any length. Does not keep the process alive. Disposing stops it. */
  timeout(callback: () => void, delayMs: number): Disposable {
    const timer: Timer = { callback, dueAt: this.now() + delayMs, waiting: undefined };
    this.#timers.add(timer);
    if (this.#frozenAt === undefined) this.#arm(timer);
    return {
      [Symbol.dispose]: () => {
        this.#timers.delete(timer);
        timer.waiting?.[Symbol.dispose]();
      },
    };
  }

  /** Rejects with what `late` makes when `promise` has not settled within `ms`; otherwise settles as it does. Leaves no timer behind. */
  async withDeadline<T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
    const { promise: tooLate, reject } = Promise.withResolvers<never>();
    using _timer = this.timeout(() => reject(late()), ms);
    return await Promise.race([promise, tooLate]);
  }

  #arm(timer: Timer): void {
    const fire = (): void => {
      this.#timers.delete(timer);
      timer.callback();
    };
    timer.waiting = awakeClock.timeout(fire, timer.dueAt - this.now());
  }
}
