/** What keeping a part costs beside its bytes: a flood of markers holds next to no text. */
const PART_BYTES = 1024;
/** Places of parts that were taken are given back when there are so many, and they are half of all: a part is moved once or so then. */
const MIN_FREE_PLACES = 1024;

/** Parts of a stream that wait for something, oldest first, and what they cost. */
export class HeldParts<Part> {
  readonly #sizeOf: (part: Part) => number;
  /** Those before `#head` were taken: a long array gives away its first one by moving all others. */
  #parts: (Part | undefined)[] = [];
  #head = 0;
  #costBytes = 0;

  /** @param sizeOf of a part, without what keeping it costs */
  constructor(sizeOf: (part: Part) => number) {
    this.#sizeOf = sizeOf;
  }

  get first(): Part | undefined {
    return this.#parts[this.#head];
  }

  get isEmpty(): boolean {
    return this.#parts.length === this.#head;
  }

  /** Bytes in memory, roughly. */
  get costBytes(): number {
    return this.#costBytes;
  }

  push(part: Part): void {
    this.#parts.push(part);
    this.#costBytes += this.#sizeOf(part) + PART_BYTES;
  }

  shift(): Part | undefined {
    const part = this.#parts[this.#head];
    if (part === undefined) return undefined;
    this.#parts[this.#head] = undefined;
    this.#head += 1;
    this.#costBytes -= this.#sizeOf(part) + PART_BYTES;
    if (this.#head >= MIN_FREE_PLACES && this.#head * 2 >= this.#parts.length) this.#compact();
    return part;
  }

  /** All of them; none is held any more. */
  takeAll(): Part[] {
    this.#compact();
    const parts = this.#parts as Part[];
    this.#parts = [];
    this.#costBytes = 0;
    return parts;
  }

  #compact(): void {
    this.#parts.splice(0, this.#head);
    this.#head = 0;
  }
}
