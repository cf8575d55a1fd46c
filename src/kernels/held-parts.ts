/** What keeping a part costs beside its bytes: a flood of markers holds next to no text. */
const PART_BYTES = 1024;

/** Parts of a stream that wait for something, oldest first, and what they cost. */
export class HeldParts<Part> {
  readonly #sizeOf: (part: Part) => number;
  #parts: Part[] = [];
  #costBytes = 0;

  /** @param sizeOf of a part, without what keeping it costs */
  constructor(sizeOf: (part: Part) => number) {
    this.#sizeOf = sizeOf;
  }

  get first(): Part | undefined {
    return this.#parts[0];
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
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
    const part = this.#parts.shift();
    if (part !== undefined) this.#costBytes -= this.#sizeOf(part) + PART_BYTES;
    return part;
  }

  /** All of them; none is held any more. */
  takeAll(): Part[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#costBytes = 0;
    return parts;
  }
}
