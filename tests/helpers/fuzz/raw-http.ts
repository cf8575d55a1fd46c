import { connect, type Socket } from "node:net";

/** An answer as its bytes say it. */
export interface RawReply {
  status: number;
  headers: ReadonlyMap<string, string>;
  body: Buffer;
  /** The server says that the connection can be used again. */
  isKeptAlive: boolean;
}

/** How the bytes of a request end: as they should, with the end of the connection, or with a reset. */
export type Finish = "open" | "half-close" | "reset";

/** Without an answer for so long, the daemon hangs. */
const ANSWER_WITHIN_MS = 10_000;

/** The server broke HTTP, or the connection before its answer was complete. */
export class BrokenReply extends Error {}

/** One connection to a server. Requests are bytes, whatever they say; answers are taken apart strictly. */
export class RawConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isOver = false;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    this.#socket
      .on("data", (chunk: Buffer) => {
        this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
        this.#wake();
      })
      .on("error", (error) => (this.#failure = error))
      .on("end", () => this.#finish())
      .on("close", () => this.#finish());
  }

  /** Whether another request can be sent. */
  get isUsable(): boolean {
    return !this.#isOver;
  }

  /**
   * Sends the pieces of a request and reads its answer.
   * @returns undefined when the server ended the connection without one
   * @throws BrokenReply
   */
  async exchange(pieces: readonly Buffer[], finish: Finish): Promise<RawReply | undefined> {
    if (this.#received.length > 0) throw new BrokenReply("there were bytes behind the answer before");
    for (const piece of pieces) {
      this.#socket.write(piece);
      // Each piece is to arrive by itself.
      if (pieces.length > 1) await new Promise(setImmediate);
    }
    if (finish === "half-close") this.#socket.end();
    if (finish === "reset") this.#socket.resetAndDestroy();
    return this.#readReply();
  }

  /** Resolves when the server has ended the connection. */
  async ended(): Promise<void> {
    while (!this.#isOver) await this.#more("end of the connection");
  }

  close(): void {
    this.#socket.destroy();
  }

  async #readReply(): Promise<RawReply | undefined> {
    const head = await this.#readHead();
    if (!head) return undefined;
    const { status, headers } = head;
    const isChunked = headers.get("transfer-encoding") === "chunked";
    const length = headers.get("content-length");
    const hasLength = isChunked || length !== undefined || status === 204 || status === 304;
    const isKeptAlive = hasLength && headers.get("connection")?.toLowerCase() !== "close";
    const body = isChunked
      ? await this.#readChunks()
      : await this.#readSized(hasLength ? Number(length ?? 0) : undefined);
    return { status, headers, body, isKeptAlive };
  }

  async #readHead(): Promise<Pick<RawReply, "status" | "headers"> | undefined> {
    let end = -1;
    while ((end = this.#received.indexOf("\r\n\r\n")) < 0) {
      if (this.#isOver && this.#received.length === 0) return undefined;
      await this.#more("headers");
    }
    const [first = "", ...lines] = this.#take(end + 4)
      .toString("latin1")
      .trimEnd()
      .split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3})( |$)/.exec(first)?.[1]);
    if (!status) throw new BrokenReply(`the status line is ${JSON.stringify(first)}`);
    const headers = new Map<string, string>();
    for (const line of lines) {
      const [, name = "", value = ""] = /^([^:\s]+): ?(.*)$/.exec(line) ?? [];
      if (name === "") throw new BrokenReply(`a header line is ${JSON.stringify(line)}`);
      headers.set(name.toLowerCase(), value);
    }
    return { status, headers };
  }

  async #readSized(size: number | undefined): Promise<Buffer> {
    if (size === undefined) {
      await this.ended();
      return this.#take(this.#received.length);
    }
    while (this.#received.length < size) await this.#more("body");
    return this.#take(size);
  }

  async #readChunks(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (;;) {
      const line = (await this.#readLine()).toString("latin1");
      if (!/^[0-9a-f]+$/i.test(line)) throw new BrokenReply(`a chunk's size is ${JSON.stringify(line)}`);
      const size = Number.parseInt(line, 16);
      if (size > 0) chunks.push(await this.#readSized(size));
      const after = await this.#readLine();
      if (after.length > 0) throw new BrokenReply("a chunk has no end");
      if (size === 0) return Buffer.concat(chunks);
    }
  }

  async #readLine(): Promise<Buffer> {
    let end = -1;
    while ((end = this.#received.indexOf("\r\n")) < 0) await this.#more("a chunk");
    return this.#take(end + 2).subarray(0, end);
  }

  #take(count: number): Buffer {
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  async #more(what: string): Promise<void> {
    if (this.#isOver)
      throw new BrokenReply(`the connection ended in the ${what} of an answer: ${this.#failure?.message ?? "end"}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new BrokenReply(`no ${what} within ${ANSWER_WITHIN_MS} ms`)),
      ANSWER_WITHIN_MS,
    );
    this.#wake = resolve;
    await promise.finally(() => clearTimeout(timer));
  }

  #finish(): void {
    this.#isOver = true;
    this.#wake();
  }
}
