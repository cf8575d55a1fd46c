const PREFIX_BYTES = 5;
/** Kept of each message: all of the short ones, and enough of a long one to tell what it is and how much it carries. */
const HEAD_BYTES = 1024;
const TAIL_BYTES = 64;

/** A message of a Connect stream; of a long one only the ends, so that the client costs next to nothing. */
export interface Message {
  flags: number;
  sizeBytes: number;
  /** Its first bytes, all of them up to 1 KiB. Only valid during the call. */
  head: Buffer;
  /** Its last 64 bytes (whole and more if it is shorter: then use `head`). Only valid during the call. */
  tail: Buffer;
}

/** Cuts a stream of bytes into Connect envelopes without copying them. */
export class EnvelopeReader {
  readonly #onMessage: (message: Message) => void;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  readonly #head = Buffer.alloc(HEAD_BYTES);
  readonly #tail = Buffer.alloc(TAIL_BYTES);
  #prefixBytes = 0;
  #sizeBytes = 0;
  #takenBytes = 0;

  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage;
  }

  /** Takes `bytes[from, to)`. */
  push(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at < to;)
      at = this.#prefixBytes < PREFIX_BYTES ? this.#takePrefix(bytes, at, to) : this.#takePayload(bytes, at, to);
  }

  #takePrefix(bytes: Buffer, from: number, to: number): number {
    const taken = bytes.copy(
      this.#prefix,
      this.#prefixBytes,
      from,
      Math.min(to, from + PREFIX_BYTES - this.#prefixBytes),
    );
    this.#prefixBytes += taken;
    if (this.#prefixBytes === PREFIX_BYTES) {
      this.#sizeBytes = this.#prefix.readUInt32BE(1);
      this.#takenBytes = 0;
      if (this.#sizeBytes === 0) this.#finish();
    }
    return from + taken;
  }

  #takePayload(bytes: Buffer, from: number, to: number): number {
    const end = Math.min(to, from + this.#sizeBytes - this.#takenBytes);
    const length = end - from;
    if (this.#takenBytes < HEAD_BYTES) bytes.copy(this.#head, this.#takenBytes, from, end);
    if (length < TAIL_BYTES) this.#tail.copyWithin(0, length);
    bytes.copy(this.#tail, Math.max(0, TAIL_BYTES - length), Math.max(from, end - TAIL_BYTES), end);
    this.#takenBytes += length;
    if (this.#takenBytes === this.#sizeBytes) this.#finish();
    return end;
  }

  #finish(): void {
    this.#prefixBytes = 0;
    const sizeBytes = this.#sizeBytes;
    const head = this.#head.subarray(0, Math.min(sizeBytes, HEAD_BYTES));
    const tail = this.#tail.subarray(Math.max(0, TAIL_BYTES - sizeBytes));
    this.#onMessage({ flags: this.#prefix[0] ?? 0, sizeBytes, head, tail });
  }
}
