import { readSync } from "node:fs";

export interface Request {
  op: string;
  id: string;
  text: string;
  /** Undefined takes a variable away. */
  variables: ReadonlyMap<string, string | undefined>;
}

const LINE_FEED = 10;
/** What a pipe holds at most, unless somebody has asked for more. */
const PIPE_SIZE = 65_536;

/** Who answers requests. */
interface Receiver {
  accept(request: Request): void;
  /** No more of them can come. */
  end(): void;
}

/** Puts requests together from what `descriptor` has, without waiting for more. */
export class RequestReader {
  readonly #descriptor: number;
  readonly #receiver: Receiver;
  readonly #buffer = Buffer.allocUnsafe(PIPE_SIZE);
  #chunks: Buffer[] = [];
  #size = 0;
  #wanted = 1;

  constructor(descriptor: number, receiver: Receiver) {
    this.#descriptor = descriptor;
    this.#receiver = receiver;
  }

  /** Takes what is there; false when no more can come. */
  read(): boolean {
    let size = 0;
    try {
      size = readSync(this.#descriptor, this.#buffer);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN" || code === "EINTR") return true;
    }
    if (size > 0) this.#take(Buffer.from(this.#buffer.subarray(0, size)));
    else this.#receiver.end();
    return size > 0;
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.byteLength;
    if (this.#size < this.#wanted) return; // a large cell is put together once, not with every piece
    let rest = Buffer.concat(this.#chunks);
    for (;;) {
      const frame = readFrame(rest);
      if (typeof frame === "number") {
        [this.#chunks, this.#size, this.#wanted] = [[rest], rest.byteLength, frame];
        return;
      }
      rest = rest.subarray(frame.length);
      this.#receiver.accept(frame.request);
    }
  }
}

/** The first request in `bytes`, or how many bytes it takes at least. */
function readFrame(bytes: Buffer): { request: Request; length: number } | number {
  const lineEnd = bytes.indexOf(LINE_FEED);
  if (lineEnd < 0) return bytes.byteLength + 1;
  const [op = "", id = "", first = "0", second = "0"] = bytes.toString("latin1", 0, lineEnd).split(" ");
  const middle = lineEnd + 1 + Number(first);
  const length = middle + Number(second);
  if (bytes.byteLength < length) return length;
  const text = bytes.toString("utf8", lineEnd + 1, middle);
  return { request: { op, id, text, variables: unpack(bytes.toString("utf8", middle, length)) }, length };
}

function unpack(packed: string): Map<string, string | undefined> {
  const variables = new Map<string, string | undefined>();
  for (const item of packed.split("\0").slice(0, -1)) {
    const at = item.indexOf("=");
    if (at < 0) variables.set(item, undefined);
    else variables.set(item.slice(0, at), item.slice(at + 1));
  }
  return variables;
}
