import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { HttpReader } from "./http-reader.ts";

const CHUNK = Buffer.allocUnsafeSlow(256 * 1024).fill("a line of a file that is sent\n");
const READ_BUFFER = Buffer.allocUnsafeSlow(1024 * 1024);
/** Of the client's time, whoever serves. */
const USER = process.geteuid?.() === 0 ? "&username=root" : "";

/** One request on a connection of its own. */
export interface TransferRequest {
  port: number;
  /** Of the file. */
  path: string;
  headers?: Record<string, string>;
}

/** What came of it. */
export interface TransferResult {
  seconds: number;
  /** Of the body that was sent, or received. */
  bytes: number;
}

/** Sends `bytes` of text as the raw body of an upload, as fast as they are taken. */
export async function sendFile(request: TransferRequest, bytes: number): Promise<TransferResult> {
  using exchange = new Exchange(request.port);
  const began = performance.now();
  exchange.begin("POST", request, { "Content-Type": "application/octet-stream", "Content-Length": String(bytes) });
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    await exchange.write(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK);
  }
  await exchange.answered;
  return { bytes, seconds: (performance.now() - began) / 1000 };
}

/** Receives a file and drops it. */
export async function receiveFile(request: TransferRequest): Promise<TransferResult> {
  using exchange = new Exchange(request.port);
  const began = performance.now();
  exchange.begin("GET", request, {});
  await exchange.answered;
  return { bytes: exchange.bodyBytes, seconds: (performance.now() - began) / 1000 };
}

class Exchange implements Disposable {
  readonly answered: Promise<void>;
  bodyBytes = 0;
  readonly #socket: Socket;

  constructor(port: number) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.answered = promise;
    let status = 0;
    const reader = new HttpReader(() => ({
      onStatus: (value) => (status = value),
      onBody: (_, from, to) => (this.bodyBytes += to - from),
      onEnd: () => (status === 200 ? resolve() : reject(new Error(`answered ${status}`))),
    }));
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
    this.#socket.on("error", reject).on("close", () => reject(new Error("the connection was closed")));
    promise.catch(() => undefined);
  }

  begin(method: string, { port, path, headers }: TransferRequest, more: Record<string, string>): void {
    const lines = Object.entries({ Host: `127.0.0.1:${port}`, ...headers, ...more }).map(([k, v]) => `${k}: ${v}\r\n`);
    this.#socket.write(
      `${method} /files?path=${encodeURIComponent(path)}${USER} HTTP/1.1\r\n${lines.join("")}\r\n`,
      "latin1",
    );
  }

  async write(bytes: Buffer): Promise<void> {
    if (!this.#socket.write(bytes)) await Promise.race([once(this.#socket, "drain"), this.answered]);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
