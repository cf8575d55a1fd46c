/** Size of a full block, the only one that is used again. */
export const BLOCK_BYTES = 64 * 1024;
/** What is kept for later: 4 MiB, as much as one run may have waiting for the disk. */
const MAX_FREE = 64;

const free: Buffer[] = [];

/** Memory for a block. A gigabyte of output is 16 000 of them: made anew each time, the collector has more work than we do, and what malloc does not give back piles up. */
export function takeBlock(bytes: number): Buffer {
  return (bytes === BLOCK_BYTES ? free.pop() : undefined) ?? Buffer.allocUnsafeSlow(bytes);
}

/** Gives memory back that nobody looks at any more. */
export function giveBlock(block: Buffer): void {
  if (block.length === BLOCK_BYTES && free.length < MAX_FREE) free.push(block);
}
