import { once } from "node:events";
import { WebSocket } from "ws";

type Frame = Record<string, unknown> & { type: string };

/** A WebSocket client of a terminal that keeps everything it gets. */
export class PtySocket implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly frames: Frame[] = [];
  readonly #chunks: Buffer[] = [];
  #waiting: (() => void)[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) this.#chunks.push(data);
      else this.frames.push(JSON.parse(data.toString("utf8")) as Frame);
      this.#wake();
    });
    socket.on("close", () => this.#wake());
  }

  static async open(url: string, path: string, protocols: string[] = [], headers = {}): Promise<PtySocket> {
    const socket = new WebSocket(url.replace("http", "ws") + path, protocols, { headers });
    const client = new PtySocket(socket);
    await once(socket, "open");
    return client;
  }

  /** The HTTP status of a refused upgrade. */
  static async refusal(url: string, path: string, protocols: string[] = [], headers = {}): Promise<number> {
    const socket = new WebSocket(url.replace("http", "ws") + path, protocols, { headers });
    const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }];
    socket.on("error", () => undefined).terminate();
    return response.statusCode;
  }

  get text(): string {
    return this.bytes.toString("utf8");
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get id(): string {
    return String(this.frames.find(({ type }) => type === "start")?.["id"]);
  }

  type(text: string | Buffer): void {
    this.#socket.send(Buffer.from(text), { binary: true });
  }

  control(value: unknown): void {
    this.#socket.send(typeof value === "string" ? value : JSON.stringify(value));
  }

  /** Stops reading from the network. */
  stall(): void {
    this.#socket.pause();
  }

  /** Goes on reading. */
  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when `condition` holds; rejects when the connection closes before. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#socket.readyState === WebSocket.CLOSED) throw new Error(`closed with ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async untilText(text: string): Promise<void> {
    let looked = 0;
    let before = "";
    await this.until(() => {
      for (; looked < this.#chunks.length; looked += 1) {
        // With the end of what came before: the text may be cut in two.
        before = before.slice(-text.length) + (this.#chunks[looked]?.toString("latin1") ?? "");
        if (before.includes(Buffer.from(text).toString("latin1"))) return true;
      }
      return false;
    });
  }

  async frame(type: string): Promise<Frame> {
    await this.until(() => this.frames.some((frame) => frame.type === type));
    return this.frames.findLast((frame) => frame.type === type) as Frame;
  }

  /** Resolves with the close code. */
  async closed(): Promise<number> {
    if (this.#socket.readyState === WebSocket.CLOSED) return 0;
    const [code] = (await once(this.#socket, "close")) as [number];
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.terminate();
    await once(this.#socket, "close");
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
