const REMEMBERED = 10;

/** How late a timer of ours fires because the event loop is busy: the worst of the last times. */
export class LoopLag {
  readonly #intervalMs: number;
  #lastAt = performance.now();
  #latenessMs: number[] = [];

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Undefined until the timer has fired once. */
  get worstMs(): number | undefined {
    return this.#latenessMs.length === 0 ? undefined : Math.max(0, ...this.#latenessMs);
  }

  reset(): void {
    this.#lastAt = performance.now();
    this.#latenessMs = [];
  }

  /** Called by the timer each time. */
  note(): void {
    const now = performance.now();
    this.#latenessMs = [...this.#latenessMs.slice(1 - REMEMBERED), now - this.#lastAt - this.#intervalMs];
    this.#lastAt = now;
  }
}
