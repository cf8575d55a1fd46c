import { Socket } from "node:net";
import { SandboxError } from "../errors.ts";

/** What may wait in memory for a program that does not read its standard input. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/**
 * The writing end of a program's standard input. Writes queue in order without blocking anybody; a program that does not
 * read fills the queue, and then further writes are refused. Owns its descriptor.
 */
export class InputPipe {
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

  /**
   * Appends `bytes` and resolves once the pipe has taken them.
   * @throws SandboxError failed_precondition when closed (before or meanwhile), resource_exhausted when the queue is full.
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.isClosed) throw closedError();
    if (bytes.length === 0) return;
    if (this.#socket.writableLength > this.#maxQueuedBytes) {
      throw new SandboxError(
        "resource_exhausted",
        `standard input holds ${this.#socket.writableLength} bytes that the program has not read`,
        { reason: "stdin_full", hint: "wait until the program reads, or close its input" },
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.write(bytes, (error) => (error ? reject(closedError(error)) : resolve()));
    await promise;
  }

  /** End of file for the program, after everything written before. Does not wait for that. Idempotent. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#socket.end();
  }

  /** Gives the descriptor back at once; what was not taken yet is lost and its writers are told. */
  destroy(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }
}

function closedError(cause?: unknown): SandboxError {
  return new SandboxError("failed_precondition", "standard input is closed", {
    reason: "stdin_closed",
    ...(cause === undefined ? {} : { cause }),
  });
}
