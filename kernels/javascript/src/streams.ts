import { Writable } from "node:stream";
import type { Channel } from "./channel.ts";

/**
 * Puts synchronous writers in the place of `process.stdout` and `process.stderr`: Node's own would make the pipe
 * non-blocking for every child that shares it, and could still hold text back when a cell has ended.
 */
export function replaceStreams(channel: Channel): void {
  for (const [name, fd] of [
    ["stdout", 1],
    ["stderr", 2],
  ] as const) {
    const stream = new Writable();
    // Without the state that Writable keeps: an interrupt in the middle of it would silence the stream for good.
    const write = (chunk: string | Uint8Array, ...more: unknown[]): boolean => {
      const encoding = typeof more[0] === "string" ? (more[0] as BufferEncoding) : "utf8";
      channel.text(name, typeof chunk === "string" ? Buffer.from(chunk, encoding) : bytesOf(chunk));
      const done = more.find((item) => typeof item === "function");
      if (done) process.nextTick(done);
      return true;
    };
    // What ends or destroys the stream of one cell must not silence the next.
    const stays = { write, end: () => stream, destroy: () => stream, destroySoon: () => stream };
    Object.assign(stream, { fd, _isStdio: true, _type: "pipe" }, stays);
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
  }
}

/** @throws TypeError as Node's own streams do */
function bytesOf(chunk: Uint8Array): Uint8Array {
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TypeError('The "chunk" argument must be of type string or an instance of Buffer, TypedArray, or DataView.');
}
