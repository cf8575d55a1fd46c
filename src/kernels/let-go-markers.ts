/** A kernel's own markers whose events have not come yet are few. */
const MAX_NUMBERS = 4096;

/**
 * Numbers of markers that a stream has passed, and whose events need not wait for it any more. What it keeps is bounded: beyond that it
 * takes numbers for such that never came, and never the other way round.
 */
export class LetGoMarkers {
  #numbers = new Set<number>();
  /** Numbers up to this one … */
  #upTo = 0;
  /** … and from this one on are all taken for such. */
  #from = Infinity;
  /** Of the last event: a kernel counts up, so its own markers that wait for their events come next. */
  #passed = 0;

  has(barrier: number): boolean {
    return barrier <= this.#upTo || barrier >= this.#from || this.#numbers.has(barrier);
  }

  add(barriers: Iterable<number>): void {
    for (const barrier of barriers) {
      if (barrier > this.#passed) this.#numbers.add(barrier);
      else this.#upTo = Math.max(this.#upTo, barrier);
    }
    if (this.#numbers.size <= MAX_NUMBERS) return;
    const sorted = [...this.#numbers].toSorted((a, b) => a - b);
    this.#numbers = new Set(sorted.slice(0, MAX_NUMBERS));
    this.#from = Math.min(this.#from, sorted[MAX_NUMBERS] ?? Infinity);
  }

  /** The event of marker `barrier` has come; 0: one without a marker. */
  pass(barrier: number): void {
    if (barrier === 0) return;
    this.#passed = barrier;
    for (const number of this.#numbers) {
      if (number > barrier) continue;
      this.#numbers.delete(number);
      this.#upTo = Math.max(this.#upTo, number);
    }
  }
}
