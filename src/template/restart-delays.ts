const FIRST_MS = 100;
const LAST_MS = 10_000;

/** How long to wait before a command is run again: twice as long each time up to a ceiling, and short again after a run that has lasted. */
export class RestartDelays {
  #nextMs = FIRST_MS;

  /** @param ranMs how long it has run this time */
  next(ranMs: number): number {
    if (ranMs > LAST_MS) this.#nextMs = FIRST_MS;
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, LAST_MS);
    return delayMs;
  }
}
