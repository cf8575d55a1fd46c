import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request, type RequestOptions } from "node:http";

/** What Node keeps of a stream at either end, with some to spare for what is written at a time. */
const NODE_BYTES = 200_000;

/**
 * More than lies between the daemon and a client of its socket file that does not read. The kernel's buffers of a TCP connection grow to
 * some 10 MB, more than a quiet stream ever sends; those of a socket file are what they are.
 */
export const STALLING_BYTES = Number(readFileSync("/proc/sys/net/core/wmem_default", "latin1")) + NODE_BYTES;

/** An answer of which nothing is read until somebody iterates it. */
export class StallingReader implements Disposable {
  readonly #incoming: IncomingMessage;
  /** What has been read so far. */
  bytes = 0;

  private constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
  }

  static async open(socketPath: string, { body, ...options }: RequestOptions & { body?: string }) {
    const outgoing = request({ socketPath, ...options, agent: false }).end(body);
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    return new StallingReader(incoming.on("error", () => undefined).pause());
  }

  /** One JSON value a line, to the end of the answer. */
  async *events<T>(): AsyncGenerator<T> {
    let text = "";
    for await (const part of this.#incoming as AsyncIterable<Buffer>) {
      this.bytes += part.length;
      const lines = (text + part.toString("latin1")).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as T;
    }
  }

  [Symbol.dispose](): void {
    this.#incoming.destroy();
  }
}
