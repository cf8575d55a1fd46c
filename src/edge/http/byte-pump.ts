import type { ServerResponse } from "node:http";
import type { ByteRange } from "./byte-range.ts";
import type { BodyPiece } from "./byteranges.ts";

/** Reads into `buffer` from `position` on; 0 is the end. */
export type ReadAt = (buffer: Buffer, position: number) => Promise<number>;

/** Few and large: while one is filled, others are on their way to the socket. Measured faster than any stream. */
const BUFFERS = 3;
const BUFFER_BYTES = 256 * 1024;

/**
 * Sends what `pieces` say at the pace the client reads and ends the answer, whose headers have been written with their length. When there
 * turns out to be less than a range, or reading fails, the connection is cut: the client must not take what it has for all.
 */
export async function pumpBytes(read: ReadAt, pieces: readonly BodyPiece[], outgoing: ServerResponse): Promise<void> {
  const slots = new Slots(outgoing);
  try {
    for (const piece of pieces) {
      if (Buffer.isBuffer(piece)) outgoing.write(piece);
      else if (!(await pumpRange(read, piece, slots))) return void outgoing.destroy();
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy();
    throw error;
  } finally {
    slots.close();
  }
}

/** False when the client is gone, or the content has become shorter. */
async function pumpRange(read: ReadAt, { start, end }: ByteRange, slots: Slots): Promise<boolean> {
  for (let position = start; position < end;) {
    const buffer = await slots.next(Math.min(BUFFER_BYTES, end - position));
    const length = buffer ? await read(buffer, position) : 0;
    if (!buffer || length === 0) return false;
    slots.send(buffer.subarray(0, length));
    position += length;
  }
  return true;
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
    let buffer = this.#buffers[index];
    if (!buffer || buffer.length < size) buffer = this.#buffers[index] = Buffer.allocUnsafeSlow(size);
    return buffer.subarray(0, size);
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
