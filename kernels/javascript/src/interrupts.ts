import { join } from "node:path";

/** What ../native/interrupts.c gives. */
interface Native {
  start(
    state: Int32Array,
    onInterrupt: () => void,
    onStep: () => void,
    onReadable: () => void,
    descriptor: number,
  ): void;
  begin(): void;
  soon(): void;
  stop(): boolean;
  reseed(entropy: Uint8Array): void;
}

export interface Callbacks {
  /** Called at each SIGINT, when nothing else runs or what ran has been ended. */
  onInterrupt: () => void;
  /** Where requests come from. */
  descriptor: number;
  /** Called when `descriptor` can be read, until it returns false. */
  onReadable: () => boolean;
}

// Members of the array that is shared with it.
const SHIELD = 0;
const PENDING = 1;
const ENDING = 2;
const CLOSED = 3;

/** SIGINT: code of the user that holds the thread is ended wherever it is, the driver's own work is let be. */
export class Interrupts {
  readonly #state = new Int32Array(4);
  readonly #native = require(join(__dirname, "interrupts.node")) as Native;
  #step: (() => void) | undefined;

  start({ onInterrupt, descriptor, onReadable }: Callbacks): void {
    const interrupt = (): void => this.#shielded(onInterrupt);
    const step = (): void => this.#shielded(() => this.#takeStep());
    const read = (): void => this.#shielded(() => void (this.#state[CLOSED] = onReadable() ? 0 : 1));
    this.#native.start(this.#state, interrupt, step, read, descriptor);
  }

  /** Only signals from now on count. Takes SIGINT back from what user code has set. */
  begin(): void {
    this.#native.begin();
  }

  /** Runs `action`, which no interrupt ends; one that comes meanwhile does its work afterwards. */
  shield<T>(action: () => T): T {
    const state = this.#state;
    if (state[ENDING] === 1 && state[SHIELD] === 0) for (;;); // V8 is about to end this
    state[SHIELD] = (state[SHIELD] ?? 0) + 1;
    return this.#shielded(action);
  }

  /** Takes `step`, shielded, when the loop has made a turn; instead of one that was still to be taken. */
  soon(step: () => void): void {
    this.#step = step;
    this.#native.soon();
  }

  /** Stirs `entropy` into the seeds of `node:crypto`. */
  reseed(entropy: Uint8Array): void {
    this.#native.reseed(entropy);
  }

  #takeStep(): void {
    const step = this.#step;
    this.#step = undefined;
    step?.();
  }

  #shielded<T>(action: () => T): T {
    const state = this.#state;
    try {
      return action();
    } finally {
      state[SHIELD] = (state[SHIELD] ?? 1) - 1;
      if (state[PENDING] === 1 && state[SHIELD] === 0 && this.#native.stop()) for (;;); // V8 ends this
    }
  }
}
