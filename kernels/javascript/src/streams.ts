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
    const stream = new Writable({
      write(chunk: Uint8Array, _encoding, done) {
        channel.text(name, chunk);
        done();
      },
      destroy(_error, done) {
        done(null);
      },
    });
    // What ends or destroys the stream of one cell must not silence the next.
    const stays = { end: () => stream, destroy: () => stream, destroySoon: () => stream };
    Object.assign(stream, { fd, _isStdio: true, _type: "pipe" }, stays);
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
  }
}
