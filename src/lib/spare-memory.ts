/** Larger pieces are not worth keeping for the next one. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** How long memory is kept that nobody takes. */
const KEPT_MS = 1000;

/**
 * Memory for large pieces that come one after the other. In new memory each of them would bring the collector's next run
 * nearer: it counts what buffers hold, and marks the whole heap every few dozen megabytes.
 */
export class SpareMemory {
  readonly #mine = new WeakSet<ArrayBufferLike>();
  #kept: ArrayBufferLike | undefined;
  #timer: NodeJS.Timeout | undefined;

  take(bytes: number): Buffer {
    const memory = this.#kept;
    if (memory && memory.byteLength >= bytes) {
      this.#kept = undefined;
      return Buffer.from(memory, 0, bytes);
    }
    const fresh = Buffer.allocUnsafeSlow(bytes);
    this.#mine.add(fresh.buffer);
    return fresh;
  }

  /** Takes memory back that nobody looks at any more; what was not taken here is left alone. */
  give({ buffer }: Buffer): void {
    if (!this.#mine.has(buffer) || buffer.byteLength > MAX_KEPT_BYTES) return;
    if (buffer.byteLength < (this.#kept?.byteLength ?? 0)) return;
    this.#kept = buffer;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#kept = undefined;
    }, KEPT_MS).unref();
  }
}
