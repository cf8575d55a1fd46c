import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { inputClosed, inputFull, MAX_QUEUED_BYTES, type ProgramInput } from "./program-input.ts";

/**
 * The writing end of a program's standard input. Writes queue in order without blocking anybody; a program that does not
 * read fills the queue, and then further writes are refused. Owns its descriptor.
 */
export class InputPipe implements ProgramInput {
  readonly #maxQueuedBytes: number;
  /** The descriptor, until a first write makes a socket of it: most programs get no input, and a socket is not small. */
  #fd: number | undefined;
  #socket: Socket | undefined;
  #isClosing = false;
  #isBroken = false;

  constructor(fd: number, options: { maxQueuedBytes?: number } = {}) {
    this.#maxQueuedBytes = options.maxQueuedBytes ?? MAX_QUEUED_BYTES;
    this.#fd = fd;
  }

  /** Whether nothing more can be written: closed by us, or by the program. */
  get isClosed(): boolean {
    return this.#isClosing || this.#isBroken || (this.#socket?.destroyed ?? false);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.isClosed) throw inputClosed();
    if (bytes.length === 0) return;
    const socket = this.#open();
    if (socket.writableLength > this.#maxQueuedBytes) throw inputFull(socket.writableLength);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.write(bytes, (error) => (error ? reject(inputClosed(error)) : resolve()));
    await promise;
  }

  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#closeUnused();
    this.#socket?.end();
  }

  destroy(): void {
    this.#isClosing = true;
    this.#closeUnused();
    this.#socket?.destroy();
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    const fd = this.#fd ?? -1;
    this.#fd = undefined;
    this.#socket = new Socket({ fd, readable: false, writable: true });
    this.#socket.on("error", () => (this.#isBroken = true));
    return this.#socket;
  }

  #closeUnused(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }
}
