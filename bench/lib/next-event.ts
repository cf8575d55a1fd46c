/** Waits for the next of something that happens again and again. */
export class NextEvent {
  #resolve: (() => void) | undefined;

  /** Resolves at the next `happened()`. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  happened(): void {
    this.#resolve?.();
    this.#resolve = undefined;
  }
}
