import type { ProgramClock } from "../lib/program-clock.ts";
import type { CodeContext } from "./context.ts";

export interface IdleExpiryOptions {
  /** 0: nothing ever expires. */
  limitMs: number;
  clock: ProgramClock;
  contexts: () => Iterable<CodeContext>;
  expire: (context: CodeContext) => void;
}

/** It is looked no more often than this. */
const MIN_LOOK_MS = 50;

/** Ends contexts that have been idle for too long. Looks only when the next one can be due. */
export class IdleExpiry implements Disposable {
  readonly #options: IdleExpiryOptions;
  #timer: Disposable | undefined;
  #isClosed = false;

  constructor(options: IdleExpiryOptions) {
    this.#options = options;
  }

  /** To be called when there is one more. */
  schedule(): void {
    const { limitMs, clock, contexts } = this.#options;
    if (limitMs === 0 || this.#timer || this.#isClosed) return;
    const idleMs = Array.from(contexts(), (context) => context.idleMs);
    if (idleMs.length === 0) return;
    this.#timer = clock.timeout(() => this.#look(), Math.max(MIN_LOOK_MS, limitMs - Math.max(...idleMs)));
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #look(): void {
    const { limitMs, contexts, expire } = this.#options;
    this.#timer = undefined;
    for (const context of contexts()) if (context.idleMs >= limitMs) expire(context); // a Map may lose members meanwhile
    this.schedule();
  }
}
