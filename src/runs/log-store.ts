import { SandboxError } from "../errors.ts";
import { BLOCK_BYTES, giveBlock } from "./block-pool.ts";
import { LogBlock, type LogOffsets } from "./log-block.ts";
import { type SpillBudget, SpillFile } from "./spill-file.ts";

/** Bounds of one log, in bytes. */
export interface LogLimits {
  /** Kept in memory before the older part moves to disk. */
  memoryBytes: number;
  /** Kept on disk; the oldest part goes first. */
  diskBytes: number;
}

/** What happens to the oldest part of a log that has reached its limits: it goes, or new output waits until somebody has received it. */
export type LogOverflow = "drop" | "wait";

/** A log of this size or less stays in memory when its run has ended. */
const SMALL_LOG_BYTES = 64 * 1024;
/** Bytes beyond those that may stay in memory that wait for the disk before the program has to wait too, until half are left. */
const MAX_HIGH_WATER_BYTES = 4 * 1024 * 1024;
/** They are a small part of what is kept, or a reader would find the rest gone when they are written. */
const MIN_HIGH_WATER_BYTES = 256 * 1024;

/**
 * The blocks of one log: the newest in memory, older ones in a file, the oldest gone. Writing to disk goes on beside
 * appending; a block is dropped from memory only when its image is on disk.
 */
export class LogStore {
  readonly #limits: LogLimits;
  readonly #budget: SpillBudget;
  readonly #highWater: number;
  /** Consecutive sequences, oldest first; the last one grows. Those on disk come first, and of them those that are only there. */
  #blocks: LogBlock[] = [];
  /** Sequences of the first block that is not on disk, and of the first whose bytes are in memory: a thousand blocks are not searched for them. */
  #firstUnspilled = 0;
  #firstInMemory = 0;
  #memoryBytes = 0;
  #file: SpillFile | "none" | "failed" = "none";
  #spilling: Promise<void> = Promise.resolve();
  #isSpilling = false;
  /** Somebody wanted to spill meanwhile. */
  #isDue = false;
  #isClosed = false;
  /** Up to here somebody has received the log; undefined: nothing waits for that. */
  #receivedPosition: number | undefined;
  #isWaiting = false;
  /** Called when a full store can take more. */
  onDrain: (() => void) | undefined;

  constructor(options: { limits: LogLimits; budget: SpillBudget; overflow?: LogOverflow | undefined }) {
    this.#limits = options.limits;
    this.#budget = options.budget;
    this.#highWater = Math.max(MIN_HIGH_WATER_BYTES, Math.min(MAX_HIGH_WATER_BYTES, options.limits.diskBytes / 8));
    if (options.overflow === "wait") this.#receivedPosition = 0;
  }

  /** Blocks that can be read, oldest first. */
  get blocks(): readonly LogBlock[] {
    return this.#blocks;
  }

  get diskBytes(): number {
    return this.#file instanceof SpillFile ? this.#file.bytes : 0;
  }

  /** How many of the oldest blocks may make way for those that are not on disk yet. */
  get leavingBlocks(): number {
    if (this.#isClosed || (this.#blocks[0]?.sequence ?? 0) === 0) return 0;
    return 2 + this.#blocks.length - this.#indexOf(this.#firstUnspilled);
  }

  /** Whether all the room is taken by what nobody has received yet. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Whether the disk cannot keep up. */
  get isFull(): boolean {
    return this.#unspilledBytes() > this.#limits.memoryBytes + this.#highWater;
  }

  /** Resolves when nothing is on its way to disk. */
  async settled(): Promise<void> {
    while (this.#isSpilling) await this.#spilling;
  }

  /** The block to append to; a new one, of a size that suits `wanted` bytes, when the last takes no more. */
  writable(position: number, ends: LogOffsets, wanted: number): LogBlock {
    const last = this.#blocks.at(-1);
    if (last && last.room > 0) return last;
    const previous = last ? (last.bytes?.length ?? BLOCK_BYTES) : 0;
    const capacity = LogBlock.capacityAfter(previous, wanted);
    const sequence = last ? last.sequence + 1 : 0;
    const block = new LogBlock({ sequence, start: position, starts: { ...ends }, capacity });
    this.#blocks.push(block);
    this.#memoryBytes += capacity;
    return block;
  }

  /** The block after `block`, or undefined when that is the last. `isGone` when it was dropped, and readers with it. */
  after(block: LogBlock): { next: LogBlock | undefined; isGone: boolean } {
    const index = block.sequence + 1 - (this.#blocks[0]?.sequence ?? 0);
    return { next: this.#blocks[index], isGone: index < 0 };
  }

  /** A block's bytes, from disk when they are only there; undefined when they are gone. */
  async load(block: LogBlock): Promise<Buffer | undefined> {
    if (block.bytes) return block.bytes;
    if (!(this.#file instanceof SpillFile)) return undefined;
    const bytes = await this.#file.read(block.sequence);
    const oldest = this.#blocks[0];
    return oldest && block.sequence >= oldest.sequence ? bytes : undefined;
  }

  /** Moves older blocks to disk if there is too much in memory. */
  balance(): void {
    if (this.#unspilledBytes() > this.#limits.memoryBytes) this.#spill();
  }

  /** Notes that everything before `position` was received: it may go. */
  markReceived(position: number): void {
    if (this.#receivedPosition === undefined || position <= this.#receivedPosition) return;
    this.#receivedPosition = position;
    if (this.#isWaiting) this.#spill();
  }

  /** Nothing more is expected: a large log leaves memory. Late bytes are still taken. */
  close(): void {
    this.#isClosed = true;
    if (this.#memoryBytes > SMALL_LOG_BYTES) this.#spill();
  }

  /** Gives memory and disk back. */
  dispose(): void {
    this.#isClosed = true;
    this.#blocks = [];
    this.#memoryBytes = 0;
    if (this.#file instanceof SpillFile) this.#file.close();
    this.#file = "failed";
  }

  #unspilledBytes(): number {
    let bytes = 0;
    for (let index = this.#indexOf(this.#firstUnspilled); index < this.#blocks.length; index += 1) {
      bytes += this.#blocks[index]?.bytes?.length ?? 0;
    }
    return bytes;
  }

  /** Where the block of that sequence is, or the first one when that is gone. */
  #indexOf(sequence: number): number {
    return Math.max(0, sequence - (this.#blocks[0]?.sequence ?? 0));
  }

  #spill(): void {
    this.#isDue = this.#isSpilling;
    if (this.#isSpilling) return;
    this.#isSpilling = true;
    this.#spilling = this.#spillAll();
  }

  /** Writes what is sealed (everything, once closed) and keeps the newest part in memory as well. Never rejects. */
  async #spillAll(): Promise<void> {
    try {
      for (let batch = this.#admit(); batch.length > 0 && this.#file instanceof SpillFile; batch = this.#admit()) {
        await this.#file.write(batch);
        this.#firstUnspilled = (batch.at(-1)?.sequence ?? 0) + 1;
        this.#forgetFromMemory();
        if (this.#unspilledBytes() <= this.#limits.memoryBytes + this.#highWater / 2 && !this.#isWaiting)
          this.onDrain?.();
      }
    } catch {
      // No disk, or none left: what does not fit in memory is gone, and whoever asks for it is told so.
      if (this.#file instanceof SpillFile) this.#file.close();
      this.#file = "failed";
    }
    if (this.#file === "failed") this.#dropOldest();
    if (!this.isFull && !this.#isWaiting) this.onDrain?.();
    this.#isSpilling = false;
    if (this.#isDue) this.#spill();
  }

  /** The next blocks to write, with room made for them; none when there is nothing to do or no disk. */
  #admit(): LogBlock[] {
    this.#isWaiting = false;
    if (this.#file === "failed" || this.#blocks.length === 0) return [];
    if (this.#file === "none") this.#file = SpillFile.open(this.#budget, this.#limits.diskBytes);
    const isDue = this.#isClosed
      ? this.#memoryBytes > SMALL_LOG_BYTES
      : this.#unspilledBytes() > this.#limits.memoryBytes;
    if (!isDue) return [];
    const batch = this.#blocks.slice(this.#indexOf(this.#firstUnspilled), this.#isClosed ? undefined : -1);
    const admitted: LogBlock[] = [];
    for (const block of batch) {
      // Forgotten to make room for itself: there is nothing to write any more.
      if (!(this.#file instanceof SpillFile)) return [];
      const kept = this.#file.admit(block.sequence);
      if (kept === undefined) throw new SandboxError("resource_exhausted", "no disk space for logs");
      while ((this.#blocks[0]?.sequence ?? kept) < kept && this.#mayDropFirst()) this.#dropFirst();
      this.#isWaiting = (this.#blocks[0]?.sequence ?? kept) < kept;
      if (this.#isWaiting) break;
      admitted.push(block);
    }
    return admitted.filter((block) => block.sequence >= (this.#blocks[0]?.sequence ?? 0));
  }

  #forgetFromMemory(): void {
    const keep = this.#isClosed ? 0 : this.#limits.memoryBytes;
    const end = this.#indexOf(this.#firstUnspilled);
    for (let index = this.#indexOf(this.#firstInMemory); index < end && this.#memoryBytes > keep; index += 1) {
      const block = this.#blocks[index];
      if (!block?.bytes) continue;
      this.#memoryBytes -= block.bytes.length;
      if (!block.isShared) giveBlock(block.bytes);
      block.bytes = undefined;
      this.#firstInMemory = block.sequence + 1;
    }
  }

  #dropOldest(): void {
    this.#blocks = this.#blocks.filter((block) => block.bytes !== undefined);
    while (this.#memoryBytes > this.#limits.memoryBytes && this.#blocks.length > 1) {
      this.#isWaiting = !this.#mayDropFirst();
      if (this.#isWaiting) return;
      this.#dropFirst();
    }
  }

  /** Not what somebody has still to receive. */
  #mayDropFirst(): boolean {
    const received = this.#receivedPosition;
    return received === undefined || (this.#blocks[1]?.start ?? Infinity) <= received;
  }

  #dropFirst(): void {
    this.#memoryBytes -= this.#blocks.shift()?.bytes?.length ?? 0;
  }
}
