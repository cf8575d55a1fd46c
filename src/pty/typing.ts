/** What may wait for a program that does not read before its viewer has to: less than the program's input takes at most. */
const MAX_WAITING_BYTES = 12 * 1024 * 1024;

/** What one viewer types. A program that does not read it holds up nothing else that the viewer sends, signals above all. */
export class Typing {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #waitingBytes = 0;

  /** @param onError told of what could not be written after `take` had returned */
  constructor(write: (bytes: Uint8Array) => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write;
    this.#onError = onError;
  }

  /** Queues `bytes`; resolves when there is room for more. */
  async take(bytes: Uint8Array): Promise<void> {
    this.#waitingBytes += bytes.length;
    const written = this.#write(bytes)
      .catch(this.#onError)
      .finally(() => (this.#waitingBytes -= bytes.length));
    if (this.#waitingBytes > MAX_WAITING_BYTES) await written;
  }
}
