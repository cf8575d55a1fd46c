const NEWLINE = 0x0a;

/** Cuts a byte stream into lines without their `\n`. A line longer than `maxLineBytes` is left out and told to `onTooLong`. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  readonly #onTooLong: (() => void) | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isSkipping = false;

  constructor(options: { maxLineBytes: number; onTooLong?: () => void }) {
    this.#maxLineBytes = options.maxLineBytes;
    this.#onTooLong = options.onTooLong;
  }

  /** The lines that `bytes` completes. `bytes` may be reused after the last one is taken. */
  *push(bytes: Uint8Array): Generator<string> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let from = 0;
    for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, from)) {
      this.#hold(buffer.subarray(from, end));
      from = end + 1;
      const line = this.#take();
      if (line !== undefined) yield line;
    }
    this.#hold(buffer.subarray(from));
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0 || this.#isSkipping) return;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= this.#maxLineBytes) {
      this.#held.push(Buffer.from(bytes));
      return;
    }
    this.#held = [];
    this.#isSkipping = true;
    this.#onTooLong?.();
  }

  /** The line that is complete now, or undefined when it was too long. */
  #take(): string | undefined {
    const line = this.#isSkipping ? undefined : Buffer.concat(this.#held, this.#heldBytes).toString("utf8");
    this.#held = [];
    this.#heldBytes = 0;
    this.#isSkipping = false;
    return line;
  }
}
