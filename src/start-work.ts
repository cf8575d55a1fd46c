/** A client that has been waiting for the port has its answer by then. */
export const FIRST_ANSWER_MS = 20;

/** Begins what starts with the daemon and nobody has asked for, behind the first answer: it would take the processors from that. */
export class StartWork implements Disposable {
  readonly #begin: () => void;
  readonly #firstAnswerMs: number;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;

  constructor({ begin, firstAnswerMs = FIRST_ANSWER_MS }: { begin: () => void; firstAnswerMs?: number }) {
    this.#begin = begin;
    this.#firstAnswerMs = firstAnswerMs;
  }

  /** The ports are open: it begins soon, answer or not. */
  expectAnswer(): void {
    this.#timer = setTimeout(() => this.#start(), this.#firstAnswerMs);
  }

  /** A request is over. Others that came with it are answered first. */
  noteAnswer(): void {
    if (this.#timer) this.#turn ??= setImmediate(() => this.#start());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
    this.#timer = undefined;
  }

  #start(): void {
    this[Symbol.dispose]();
    this.#begin();
  }
}
