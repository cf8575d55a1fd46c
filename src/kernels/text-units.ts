import type { TextStream } from "./types.ts";

const NEWLINE = 0x0a;
/** Quick writes within this time are one unit. */
const JOIN_MS = 10;
/** A line that has not ended within {@link JOIN_MS} has this much longer: one `print` may be many writes, and its program may be held up between them. */
const OPEN_LINE_MS = 90;
/** From here on a unit ends with the next line that does. */
const FULL_UNIT_BYTES = 32 * 1024;
/** A line is cut beyond this: it is held in memory until it ends. */
const MAX_LINE_BYTES = 256 * 1024;

/**
 * Joins what a cell writes into the units that clients get as one event each: quick writes together, cut at barriers and, when
 * there is much, behind a line; or a unit a line, for languages whose clients expect that. Order between the streams is kept.
 */
export class TextUnits implements Disposable {
  readonly #byLine: boolean;
  readonly #emit: (stream: TextStream, bytes: Buffer) => void;
  #stream: TextStream = "stdout";
  #pieces: Buffer[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { byLine: boolean; emit: (stream: TextStream, bytes: Buffer) => void }) {
    this.#byLine = options.byLine;
    this.#emit = options.emit;
  }

  /** Adds text; `bytes` may be reused afterwards. */
  write(stream: TextStream, bytes: Buffer): void {
    if (stream !== this.#stream) this.flush();
    this.#stream = stream;
    if (this.#byLine) return this.#writeLines(bytes);
    this.#hold(bytes);
  }

  [Symbol.dispose](): void {
    this.flush();
  }

  /** Ends the unit that is being joined. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#bytes === 0) return;
    const unit =
      this.#pieces.length === 1 && this.#pieces[0] ? this.#pieces[0] : Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    this.#emit(this.#stream, unit);
  }

  /** Ends the unit unless it ends within a line. */
  #flushLines(): void {
    if (this.#pieces.at(-1)?.at(-1) === NEWLINE) this.flush();
    else this.#timer = setTimeout(() => this.flush(), OPEN_LINE_MS);
  }

  #writeLines(bytes: Buffer): void {
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      this.#hold(bytes.subarray(from, end + 1));
      from = end + 1;
      this.flush();
    }
    this.#hold(bytes.subarray(from));
  }

  #hold(bytes: Buffer): void {
    const end = this.#bytes + bytes.length < FULL_UNIT_BYTES ? 0 : bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      this.#add(bytes.subarray(0, end));
      this.flush();
    }
    if (end === bytes.length) return;
    this.#add(bytes.subarray(end));
    if (this.#bytes >= MAX_LINE_BYTES) this.flush();
    else this.#timer ??= setTimeout(() => this.#flushLines(), JOIN_MS);
  }

  #add(bytes: Buffer): void {
    this.#pieces.push(Buffer.from(bytes));
    this.#bytes += bytes.length;
  }
}
