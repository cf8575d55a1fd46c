import { SandboxError } from "../errors.ts";
import { textOf } from "./text.ts";

/** Headers of one part; more is no part of a form. */
const MAX_HEADER_BYTES = 16 * 1024;
const CRLF = Buffer.from("\r\n");
const HEADER_END = Buffer.from("\r\n\r\n");
const CR = 0x0d;

/** One part of a form. Its body is read, or left, before the next part is asked for. */
export interface Part {
  name: string | undefined;
  /** With directories, if the client sent them. */
  filename: string | undefined;
  body: AsyncIterable<Buffer>;
}

/**
 * The parts of a multipart body as they come, with back-pressure: no part is held in memory, with a filename or without.
 * A body that ends before its last boundary is an error of whatever is being read then.
 * @throws SandboxError internal, as the wire contract has it
 */
export async function* readParts(body: AsyncIterable<Buffer>, contentType: string): AsyncGenerator<Part> {
  const boundary = readParameters(contentType).get("boundary");
  if (!boundary) {
    throw new SandboxError("internal", "error parsing multipart form: no multipart boundary param in Content-Type");
  }
  const scanner = new Scanner(body, Buffer.from(`\r\n--${boundary}`));
  try {
    await scanner.skipToBoundary();
    while (await scanner.hasNextPart()) {
      const disposition = (await scanner.headers()).get("content-disposition") ?? "";
      const { name, filename } = readDisposition(disposition);
      yield { name, filename, body: scanner.untilBoundary() };
      await scanner.skipToBoundary();
    }
    await scanner.skipRest();
  } finally {
    await scanner.close();
  }
}

/** Cuts a stream at boundaries. */
class Scanner {
  readonly #chunks: AsyncIterator<Buffer, undefined>;
  readonly #boundary: Buffer;
  /** Not looked at yet. The boundary that begins a body has no line break before it: here it is. */
  #held: Buffer = CRLF;
  #isBeforeBoundary = true;

  constructor(body: AsyncIterable<Buffer>, boundary: Buffer) {
    this.#chunks = body[Symbol.asyncIterator]();
    this.#boundary = boundary;
  }

  /** Everything up to the next boundary, which is taken too. */
  async *untilBoundary(): AsyncGenerator<Buffer> {
    while (this.#isBeforeBoundary) {
      const { end, next, isBoundary, needsMore } = this.#look();
      const piece = this.#held.subarray(0, end);
      this.#held = this.#held.subarray(next);
      this.#isBeforeBoundary = !isBoundary;
      if (piece.length > 0) yield piece;
      if (needsMore) await this.#more();
    }
  }

  /** What nobody wanted of a part, or before the first one. */
  async skipToBoundary(): Promise<void> {
    for await (const _ of this.untilBoundary());
  }

  /** After a boundary: whether a part follows. */
  async hasNextPart(): Promise<boolean> {
    if (this.#held.toString("latin1", 0, 2) === "--") return false;
    await this.#holdUntil(CRLF);
    return true;
  }

  /** Headers of the part that follows, names in lower case. */
  async headers(): Promise<Map<string, string>> {
    // The line break that ended the boundary's line is still there: a part may have no headers.
    const end = await this.#holdUntil(HEADER_END);
    const text = textOf(this.#held.subarray(0, end), "a part's header");
    this.#held = this.#held.subarray(end + HEADER_END.length);
    this.#isBeforeBoundary = true;
    return readHeaders(text);
  }

  /** Whatever follows the last boundary. */
  async skipRest(): Promise<void> {
    while (!(await this.#chunks.next()).done);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Position of `mark`, once it has come. */
  async #holdUntil(mark: Buffer): Promise<number> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      if (at >= 0) return at;
      if (this.#held.length > MAX_HEADER_BYTES) throw malformed("part headers are too long");
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done) throw malformed("unexpected EOF");
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
  }

  /** Content ends at `end`, what is not looked at yet begins at `next`. */
  #look(): { end: number; next: number; isBoundary: boolean; needsMore: boolean } {
    const at = this.#held.indexOf(this.#boundary);
    const after = at + this.#boundary.length;
    if (at < 0 || this.#held.length < after + 2) {
      const end = at < 0 ? this.#held.length - this.#begunBytes() : at;
      return { end, next: end, isBoundary: false, needsMore: true };
    }
    const isBoundary = endsBoundary(this.#held, after);
    return { end: isBoundary ? at : after, next: after, isBoundary, needsMore: false };
  }

  /** How many bytes at the end may be the beginning of a boundary. */
  #begunBytes(): number {
    const held = this.#held;
    const from = Math.max(0, held.length - this.#boundary.length + 1);
    for (let at = held.indexOf(CR, from); at >= 0; at = held.indexOf(CR, at + 1)) {
      if (this.#boundary.compare(held, at, held.length, 0, held.length - at) === 0) return held.length - at;
    }
    return 0;
  }
}

/** Whether what looked like a boundary is one: `--`, or the end of its line, follows. */
function endsBoundary(bytes: Buffer, at: number): boolean {
  const next = bytes.toString("latin1", at, at + 2);
  return next === "--" || next === "\r\n" || /^[ \t]/.test(next);
}

function readHeaders(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.replaceAll(/\r\n[ \t]+/g, " ").split("\r\n")) {
    if (line === "" || /^\s+$/.test(line)) continue;
    const colon = line.indexOf(":");
    if (colon <= 0) throw malformed("malformed part header");
    const name = line.slice(0, colon).trim().toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

/** An encoded name is the better one of two; an empty one is none. */
function readDisposition(header: string): Pick<Part, "name" | "filename"> {
  if (!/^form-data\s*(;|$)/i.test(header)) return { name: undefined, filename: undefined };
  const parameters = readParameters(header);
  const encoded = parameters.get("filename*");
  const filename = (encoded && decodeExtended(encoded)) || parameters.get("filename");
  return { name: parameters.get("name"), filename: filename || undefined };
}

/** Parameters after the first `;`, quotes and escaped quotes resolved, percent signs left alone. */
function readParameters(header: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const [, name = "", value = ""] of header.matchAll(/;\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)/g)) {
    const text = value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(["\\])/g, "$1") : value.trim();
    if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), text);
  }
  return parameters;
}

/** RFC 2231: `utf-8'en'%E6%96%87`. Undefined when it is not that. */
function decodeExtended(value: string): string | undefined {
  const [, charset = "", encoded = ""] = /^([\w-]+)'[^']*'(.*)$/s.exec(value) ?? [];
  if (!/^(utf-8|us-ascii|iso-8859-1)$/i.test(charset)) return undefined;
  const isLatin = charset.toLowerCase() === "iso-8859-1";
  try {
    if (!isLatin) return decodeURIComponent(encoded);
    return encoded.replaceAll(/%([0-9a-f]{2})/gi, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
  } catch {
    return undefined; // not what it says it is: the plain name, if there is one, has to do
  }
}

function malformed(why: string): SandboxError {
  return new SandboxError("internal", `error reading form: ${why}`);
}
