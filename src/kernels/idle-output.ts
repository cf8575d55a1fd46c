import type { TextStream } from "./types.ts";

/** Output that is kept, with what it costs to keep it. */
const MAX_BYTES = 1024 * 1024;
/** What a part costs besides its bytes: without it a megabyte of short lines would take a hundred. */
const PART_BYTES = 100;
/** How much is left when too much was kept: dropping a few parts each time would cost as much as keeping them. */
const TRIMMED_BYTES = MAX_BYTES - MAX_BYTES / 16;

interface Part {
  stream: TextStream;
  bytes: Buffer;
}

/** What a kernel printed while no cell listened: the newest megabyte of it. */
export class IdleOutput {
  #parts: Part[] = [];
  #sizeBytes = 0;

  /** Keeps a copy of its own: what came may be a few bytes of memory that is much larger, and would all be kept with them. */
  add(stream: TextStream, bytes: Uint8Array): void {
    const own = Buffer.allocUnsafeSlow(bytes.length);
    own.set(bytes);
    this.#parts.push({ stream, bytes: own });
    this.#sizeBytes += sizeOf(own);
    if (this.#sizeBytes > MAX_BYTES) this.#trim();
  }

  /** All of it, in order; it is forgotten here. */
  take(): Part[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#sizeBytes = 0;
    return parts;
  }

  /** The last line with something in it. */
  get lastLine(): string {
    const text = Buffer.concat(this.#parts.map(({ bytes }) => bytes)).toString("utf8");
    return text.trim().split("\n").at(-1) ?? "";
  }

  #trim(): void {
    let dropped = 0;
    for (const { bytes } of this.#parts) {
      if (this.#sizeBytes <= TRIMMED_BYTES) break;
      this.#sizeBytes -= sizeOf(bytes);
      dropped += 1;
    }
    this.#parts.splice(0, dropped);
  }
}

function sizeOf(bytes: Buffer): number {
  return bytes.length + PART_BYTES;
}
