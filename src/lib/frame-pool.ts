/** Fits a quarter of a megabyte as base64 with everything around it. */
const FRAME_BYTES = 352 * 1024;
/** What is kept for later: enough for a few busy streams. */
const MAX_FREE = 4;

const free: ArrayBufferLike[] = [];
const pooled = new WeakSet<ArrayBufferLike>();

/** Memory for a frame of `bytes` that will be written once. */
export function takeFrame(bytes: number): Buffer {
  // Small ones are cheap, and a large one in use for them would be a waste.
  if (bytes > FRAME_BYTES || bytes < FRAME_BYTES / 16) return Buffer.allocUnsafe(bytes);
  const memory = free.pop() ?? newMemory();
  return Buffer.from(memory, 0, bytes);
}

/** One frame of `pieces`, copied. */
export function joinedFrame(pieces: readonly Uint8Array[]): Buffer {
  const frame = takeFrame(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  return frame;
}

/** Gives the memory of a frame back that was written and that nobody looks at any more; other buffers are left alone. */
export function giveFrame(frame: Uint8Array): void {
  if (pooled.has(frame.buffer) && free.length < MAX_FREE) free.push(frame.buffer);
}

function newMemory(): ArrayBufferLike {
  const memory = Buffer.allocUnsafeSlow(FRAME_BYTES).buffer;
  pooled.add(memory);
  return memory;
}
