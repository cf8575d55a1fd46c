/**
 * Lets a few callers pass in each turn of the event loop, in the order of asking, so that much work that comes at once does not
 * hold up everything else.
 */
export class Turns {
  readonly #perTurn: number;
  readonly #waiting: (() => void)[] = [];
  /** How many may still pass in this turn. */
  #left: number;
  #isRenewing = false;

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** Undefined when the caller may go on at once; else what resolves when it may. */
  pass(): Promise<void> | undefined {
    this.#renewLater();
    if (this.#left > 0) {
      this.#left -= 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Immediates come after the events of a turn, and what they ask for in turn comes after those of the next one. */
  #renewLater(): void {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    setImmediate(() => {
      this.#isRenewing = false;
      const passing = this.#waiting.splice(0, this.#perTurn);
      this.#left = this.#perTurn - passing.length;
      if (passing.length > 0) this.#renewLater();
      for (const resolve of passing) resolve();
    });
  }
}
