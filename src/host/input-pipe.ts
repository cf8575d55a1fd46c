import { Socket } from "node:net";
import { inputClosed, inputFull, MAX_QUEUED_BYTES, type ProgramInput } from "./program-input.ts";

/**
 * The writing end of a program's standard input. Writes queue in order without blocking anybody; a program that does not
 * read fills the queue, and then further writes are refused. Owns its descriptor.
 */
export class InputPipe implements ProgramInput {
  readonly #socket: Socket;
  readonly #maxQueuedBytes: number;
  #isClosing = false;
  #isBroken = false;

  constructor(fd: number, options: { maxQueuedBytes?: number } = {}) {
    this.#maxQueuedBytes = options.maxQueuedBytes ?? MAX_QUEUED_BYTES;
    this.#socket = new Socket({ fd, readable: false, writable: true });
    this.#socket.on("error", () => (this.#isBroken = true));
  }

  /** Whether nothing more can be written: closed by us, or by the program. */
  get isClosed(): boolean {
    return this.#isClosing || this.#isBroken || this.#socket.destroyed;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.isClosed) throw inputClosed();
    if (bytes.length === 0) return;
    const { writableLength } = this.#socket;
    if (writableLength > this.#maxQueuedBytes) throw inputFull(writableLength);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.write(bytes, (error) => (error ? reject(inputClosed(error)) : resolve()));
    await promise;
  }

  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#socket.end();
  }

  destroy(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }
}
