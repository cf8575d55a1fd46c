const NUL = 0x00;
const BEL = 0x07;
/** Digits of the largest barrier number, and the bell. */
const MAX_TAIL_BYTES = 17;

/** A piece of a kernel's output stream: text, a barrier, or the end of a unit of text. */
export type StreamPart = { text: Buffer } | { barrier: number } | { unitEnd: true };

/**
 * Finds the markers that a kernel writes into its own output. What only looks like one is text.
 * Holds back at most the beginning of a marker.
 */
export class MarkedStream {
  readonly #prefix: Buffer;
  #held: Buffer = Buffer.alloc(0);

  constructor(options: { nonce: string }) {
    this.#prefix = Buffer.from(`\0\x1b]K;${options.nonce};`, "latin1");
  }

  /** The parts of `bytes`, which may be reused once all are taken. */
  *push(bytes: Buffer): Generator<StreamPart> {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = Buffer.alloc(0);
    let from = 0;
    for (let at = this.#candidate(all, 0); at >= 0; at = this.#candidate(all, at)) {
      const marker = this.#markerAt(all, at);
      if (marker === "none") {
        at += 1;
        continue;
      }
      if (at > from) yield { text: all.subarray(from, at) };
      if (marker === "incomplete") {
        this.#held = Buffer.from(all.subarray(at));
        return;
      }
      yield marker.part;
      at += marker.length;
      from = at;
    }
    if (from < all.length) yield { text: all.subarray(from) };
  }

  /** What was held back and is now known to be text. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest;
  }

  /** Where from `from` on a marker may begin; -1: nowhere. Searched for as a whole: output may be zeros by the megabyte. */
  #candidate(bytes: Buffer, from: number): number {
    const whole = bytes.indexOf(this.#prefix, from);
    if (whole >= 0) return whole;
    let at = bytes.indexOf(NUL, Math.max(from, bytes.length - this.#prefix.length + 1));
    while (at >= 0 && !this.#isPrefixAt(bytes, at)) at = bytes.indexOf(NUL, at + 1);
    return at;
  }

  /** Whether what is there of a marker's beginning is one. */
  #isPrefixAt(bytes: Buffer, at: number): boolean {
    const present = Math.min(bytes.length - at, this.#prefix.length);
    return bytes.compare(this.#prefix, 0, present, at, at + present) === 0;
  }

  #markerAt(bytes: Buffer, at: number): { part: StreamPart; length: number } | "none" | "incomplete" {
    const numberAt = at + this.#prefix.length;
    const tail = bytes.subarray(numberAt, numberAt + MAX_TAIL_BYTES);
    const bell = tail.indexOf(BEL);
    const digits = tail.toString("latin1", 0, bell < 0 ? tail.length : bell);
    if (!/^\d*$/.test(digits)) return "none";
    if (bell < 0) return tail.length === MAX_TAIL_BYTES ? "none" : "incomplete";
    const part = digits === "" ? { unitEnd: true as const } : { barrier: Number(digits) };
    return { part, length: this.#prefix.length + bell + 1 };
  }
}
