import type { ServerResponse } from "node:http";
import type { ByteRange } from "./byte-range.ts";

/** Reads into `buffer` from `position` on; 0 is the end. */
export type ReadAt = (buffer: Buffer, position: number) => Promise<number>;

/** Few and large: while one is filled, others are on their way to the socket. Measured faster than any stream. */
const BUFFERS = 3;
const BUFFER_BYTES = 256 * 1024;

/**
 * Sends bytes at the pace the client reads them and ends the answer, whose headers have been written with their length. When there
 * turns out to be less than the range, or reading fails, the connection is cut: the client must not take what it has for all.
 */
export async function pumpBytes(read: ReadAt, range: ByteRange, outgoing: ServerResponse): Promise<void> {
  const slots = new Slots(outgoing);
  try {
    for (let position = range.start; position < range.end;) {
      const buffer = await slots.next(Math.min(BUFFER_BYTES, range.end - position));
      if (!buffer) return;
      const length = await read(buffer, position);
      if (length === 0) break;
      slots.send(buffer.subarray(0, length));
      position += length;
      if (position === range.end) outgoing.end();
    }
    if (!outgoing.writableEnded) outgoing.destroy();
  } catch (error) {
    outgoing.destroy();
    throw error;
  } finally {
    slots.close();
  }
}

/** Buffers in turn; one is free again when the socket has let go of it. */
class Slots {
  readonly #outgoing: ServerResponse;
  readonly #buffers: Buffer[] = [];
  #taken = 0;
  #inFlight = 0;
  #wake: (() => void) | undefined;

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing;
    outgoing.on("close", this.#onChange);
  }

  /** A buffer of up to `size` bytes, or undefined when the client is gone. */
  async next(size: number): Promise<Buffer | undefined> {
    while (this.#inFlight >= BUFFERS && !this.#outgoing.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#outgoing.destroyed) return undefined;
    const index = this.#taken % BUFFERS;
    this.#taken += 1;
    this.#buffers[index] ??= Buffer.allocUnsafeSlow(size);
    return this.#buffers[index].subarray(0, size);
  }

  send(bytes: Buffer): void {
    this.#inFlight += 1;
    this.#outgoing.write(bytes, this.#onFlushed);
  }

  close(): void {
    this.#outgoing.off("close", this.#onChange);
  }

  readonly #onFlushed = (): void => {
    this.#inFlight -= 1;
    this.#onChange();
  };

  readonly #onChange = (): void => {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };
}
