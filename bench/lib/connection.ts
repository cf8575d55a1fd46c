import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { EnvelopeReader, type Message } from "./envelope-reader.ts";
import { type AnswerSink, HttpReader } from "./http-reader.ts";

export type Codec = "json" | "proto";

/** Read into by all connections, in turn: a read and its callback happen in one turn of the loop. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);

/** The whole answer of a unary call. */
export interface Answer {
  status: number;
  body: Buffer;
}

interface RequestParts {
  type?: string;
  body?: Buffer;
  headers?: Readonly<Record<string, string>>;
}

/** One kept-alive connection to the daemon, for one request at a time. Disposing it cuts it. */
export class Connection implements Disposable {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #waiting: (AnswerSink & { onLost(error: Error): void })[] = [];

  static async open(port: number): Promise<Connection> {
    const connection = new Connection(port);
    await once(connection.#socket, "connect");
    return connection;
  }

  private constructor(port: number) {
    this.#port = port;
    const reader = new HttpReader(() => {
      const [first] = this.#waiting;
      if (!first) throw new Error("an answer nobody asked for");
      return { ...first, onEnd: () => (this.#waiting.shift(), first.onEnd()) };
    });
    this.#socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          reader.push(READ_BUFFER.subarray(0, length));
          return true;
        },
      },
    });
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      for (const sink of this.#waiting.splice(0)) sink.onLost(new Error("the daemon closed the connection"));
    });
  }

  /** Stops reading for good: what the daemon sends fills the buffers of the kernel and then stays where it is. */
  stall(): void {
    this.#socket.pause();
  }

  /** A unary call or REST request. */
  async call(path: string, body: Buffer, codec: Codec = "json"): Promise<Answer> {
    return this.request("POST", path, { type: `application/${codec}`, body });
  }

  /** Any request. */
  async request(
    method: string,
    path: string,
    { type = "", body = Buffer.alloc(0), headers = {} }: RequestParts = {},
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const chunks: Buffer[] = [];
    let status = 0;
    this.#send(
      method,
      path,
      { type, body, headers },
      {
        onStatus: (value) => (status = value),
        onBody: (bytes, from, to) => void chunks.push(Buffer.from(bytes.subarray(from, to))),
        onEnd: () => resolve({ status, body: Buffer.concat(chunks) }),
        onLost: reject,
      },
    );
    return promise;
  }

  /** A server stream; resolves when the answer is complete. @throws Error for any status but 200 */
  async stream(
    path: string,
    message: Buffer,
    onMessage: (message: Message) => void,
    codec: Codec = "json",
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    const envelopes = new EnvelopeReader(onMessage);
    let status = 0;
    const body = Buffer.concat([prefix, message]);
    this.#send(
      "POST",
      path,
      { type: `application/connect+${codec}`, body },
      {
        onStatus: (value) => (status = value),
        onBody: (bytes, from, to) => status === 200 && envelopes.push(bytes, from, to),
        onEnd: () => (status === 200 ? resolve() : reject(new Error(`${path} answered ${status}`))),
        onLost: reject,
      },
    );
    return promise;
  }

  #send(
    method: string,
    path: string,
    { type, body, headers = {} }: RequestParts & { type: string; body: Buffer },
    sink: AnswerSink & { onLost(error: Error): void },
  ): void {
    if (this.#waiting.length > 0) throw new Error("the connection is in use");
    this.#waiting.push(sink);
    const describing = type && `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n`;
    const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const host = `Host: 127.0.0.1:${this.#port}\r\n`;
    const head = `${method} ${path} HTTP/1.1\r\n${host}${AUTHORIZATION}${more.join("")}${describing}\r\n`;
    // Long bodies are not copied; short ones go out in one piece.
    if (body.length < 16_384) this.#socket.write(Buffer.concat([Buffer.from(head, "latin1"), body]));
    else {
      this.#socket.cork();
      this.#socket.write(head, "latin1");
      this.#socket.write(body);
      this.#socket.uncork();
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Programs run as root when the daemon does, as the programs of the bare limit do. */
const AUTHORIZATION =
  process.geteuid?.() === 0 ? `Authorization: Basic ${Buffer.from("root:").toString("base64")}\r\n` : "";
