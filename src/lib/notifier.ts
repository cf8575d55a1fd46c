import { withAbort } from "./abort.ts";

/**
 * A condition variable: readers check their condition, then `wait()`; whoever changes it calls `notify()`.
 * Waiters cost nothing while they sleep. Between check and wait nothing can be missed: both happen in one turn.
 */
export class Notifier {
  #pending: PromiseWithResolvers<void> | undefined;

  /** Resolves at the next `notify()`; rejects with the signal's reason when it aborts first. */
  wait(signal?: AbortSignal): Promise<void> {
    this.#pending ??= Promise.withResolvers<void>();
    return withAbort(this.#pending.promise, signal);
  }

  notify(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve();
  }
}
