/**
 * Gives the memory of a buffer back at once that nobody looks at any more; it is empty afterwards. Left to the collector, what has
 * streamed through piles up: it comes after a few dozen megabytes, and then marks the whole heap. A buffer that shares its memory is left alone.
 */
export function releaseMemory({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && byteLength > 0) buffer.transfer(0);
}
