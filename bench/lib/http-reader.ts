/** Receives one answer: its status, its body piece by piece (only valid during the call), its end. */
export interface AnswerSink {
  onStatus(status: number): void;
  onBody(bytes: Buffer, from: number, to: number): void;
  onEnd(): void;
}

const LF = 10;
const NO_BODY = new Set([204, 304]);

type State = "head" | "body" | "chunkSize" | "chunk" | "chunkEnd" | "trailer";

/** Parses HTTP/1.1 answers of one connection, one after the other, as little as can be: chunked or with a length. */
export class HttpReader {
  readonly #next: () => AnswerSink;
  #sink: AnswerSink | undefined;
  #state: State = "head";
  /** The unfinished head or line. */
  #line = "";
  #leftBytes = 0;

  /** `next` tells whom the next answer is for. */
  constructor(next: () => AnswerSink) {
    this.#next = next;
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      at = this.#state === "body" || this.#state === "chunk" ? this.#takeBody(bytes, at) : this.#takeLine(bytes, at);
    }
  }

  #takeBody(bytes: Buffer, from: number): number {
    const to = Math.min(bytes.length, from + this.#leftBytes);
    this.#sink?.onBody(bytes, from, to);
    this.#leftBytes -= to - from;
    if (this.#leftBytes === 0) {
      if (this.#state === "body") this.#finish();
      else this.#state = "chunkEnd";
    }
    return to;
  }

  #takeLine(bytes: Buffer, from: number): number {
    const end = bytes.indexOf(LF, from);
    const to = end < 0 ? bytes.length : end + 1;
    this.#line += bytes.toString("latin1", from, to);
    if (end >= 0) this.#endLine();
    return to;
  }

  #endLine(): void {
    const line = this.#line;
    if (this.#state === "head") {
      if (line.endsWith("\r\n\r\n")) this.#takeHead(line);
      return;
    }
    this.#line = "";
    if (this.#state === "chunkEnd") this.#state = "chunkSize";
    else if (this.#state === "chunkSize") {
      this.#leftBytes = Number.parseInt(line, 16);
      this.#state = this.#leftBytes === 0 ? "trailer" : "chunk";
    } else if (line === "\r\n") this.#finish();
  }

  #takeHead(head: string): void {
    this.#line = "";
    const status = Number(head.slice(9, 12));
    this.#sink = this.#next();
    this.#sink.onStatus(status);
    if (/^transfer-encoding: chunked/im.test(head)) {
      this.#state = "chunkSize";
      return;
    }
    this.#leftBytes = NO_BODY.has(status) ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    this.#state = "body";
    if (this.#leftBytes === 0) this.#finish();
  }

  #finish(): void {
    this.#state = "head";
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onEnd();
  }
}
