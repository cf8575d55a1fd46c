import { close, closeSync, openSync, read, unlinkSync, write, writev } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { BLOCK_BYTES, takeBlock } from "./block-pool.ts";
import type { LogBlock } from "./log-block.ts";

const readAt = promisify(read);
const writeAt = promisify(write);
const writevAt = promisify(writev);

/** What all logs together may hold on disk, in bytes. */
export class SpillBudget {
  /** Where the files are made; it exists. */
  readonly directory: string;
  readonly #limitBytes: number;
  /** Asked to give something back when the budget is used up; false when there is nothing more to give. */
  onPressure: (() => boolean) | undefined;
  #usedBytes = 0;

  constructor(options: { directory: string; limitBytes: number }) {
    this.directory = options.directory;
    this.#limitBytes = options.limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes `bytes` if they can be had. */
  reserve(bytes: number): boolean {
    while (this.#usedBytes + bytes > this.#limitBytes && this.onPressure?.()) continue;
    if (this.#usedBytes + bytes > this.#limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/**
 * The part of one log that is on disk: a ring of block-sized slots in a file without a name, so that nothing is left
 * behind however the daemon ends. Block `n` lives in slot `n mod slots`.
 */
export class SpillFile {
  readonly #fd: number;
  readonly #budget: SpillBudget;
  readonly #maxSlots: number;
  #slots = 0;
  #isClosed = false;
  #busy = 0;

  private constructor(fd: number, budget: SpillBudget, maxSlots: number) {
    this.#fd = fd;
    this.#budget = budget;
    this.#maxSlots = maxSlots;
  }

  /** Throws the system's error when no file can be made. */
  static open(budget: SpillBudget, limitBytes: number): SpillFile {
    const path = join(budget.directory, `${crypto.randomUUID()}.log`);
    const fd = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    return new SpillFile(fd, budget, Math.max(1, Math.floor(limitBytes / BLOCK_BYTES)));
  }

  /** Disk space held. */
  get bytes(): number {
    return this.#isClosed ? 0 : this.#slots * BLOCK_BYTES;
  }

  /**
   * Makes room for block `sequence`: the file grows until it meets its own limit or the budget's, then the oldest slot is used again.
   * @returns the lowest sequence that is still kept once this block is written, or undefined when there is no room at all
   */
  admit(sequence: number): number | undefined {
    const isGrowing = sequence >= this.#slots && this.#slots < this.#maxSlots;
    if (isGrowing && this.#slots === sequence && this.#budget.reserve(BLOCK_BYTES)) {
      // Making room may have meant to forget the very run that this file is of.
      if (this.#isClosed) this.#budget.release(BLOCK_BYTES);
      else this.#slots += 1;
    }
    return this.#isClosed || this.#slots === 0 ? undefined : Math.max(0, sequence - this.#slots + 1);
  }

  /** Writes blocks of consecutive sequences that were admitted. */
  async write(blocks: readonly LogBlock[]): Promise<void> {
    this.#busy += 1;
    try {
      for (const group of this.#contiguous(blocks)) {
        await this.#writeGroup(group);
      }
    } finally {
      this.#done();
    }
  }

  /** The bytes of block `sequence`; the caller makes sure that it was not overwritten meanwhile. */
  async read(sequence: number): Promise<Buffer> {
    this.#busy += 1;
    try {
      const buffer = takeBlock(BLOCK_BYTES);
      const { bytesRead } = await readAt(this.#fd, buffer, 0, BLOCK_BYTES, this.#offsetOf(sequence));
      return buffer.subarray(0, bytesRead);
    } finally {
      this.#done();
    }
  }

  /** Gives the disk space back, after reads and writes under way. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#budget.release(this.#slots * BLOCK_BYTES);
    if (this.#busy === 0) closeSync(this.#fd);
  }

  #done(): void {
    this.#busy -= 1;
    if (this.#isClosed && this.#busy === 0) close(this.#fd);
  }

  #offsetOf(sequence: number): number {
    return (sequence % this.#slots) * BLOCK_BYTES;
  }

  /** Full-size neighbours go out in one call; small blocks of a young log leave the rest of their slot empty. */
  #contiguous(blocks: readonly LogBlock[]): LogBlock[][] {
    const groups: LogBlock[][] = [];
    for (const block of blocks) {
      const group = groups.at(-1);
      const last = group?.at(-1);
      const follows =
        last?.bytes?.length === BLOCK_BYTES && this.#offsetOf(block.sequence) > this.#offsetOf(last.sequence);
      if (group && follows) group.push(block);
      else groups.push([block]);
    }
    return groups;
  }

  async #writeGroup(group: readonly LogBlock[]): Promise<void> {
    let images = group.map((block) => block.image()).filter((image) => image !== undefined);
    let at = this.#offsetOf(group[0]?.sequence ?? 0);
    while (images.length > 0) {
      const first = images[0];
      if (!first) return;
      const { bytesWritten } =
        images.length === 1
          ? await writeAt(this.#fd, first, 0, first.length, at)
          : await writevAt(this.#fd, images, at);
      at += bytesWritten;
      images = dropBytes(images, bytesWritten);
    }
  }
}

function dropBytes(buffers: readonly Buffer[], count: number): Buffer[] {
  let rest = count;
  const kept: Buffer[] = [];
  for (const buffer of buffers) {
    if (rest < buffer.length) kept.push(buffer.subarray(rest));
    rest = Math.max(0, rest - buffer.length);
  }
  return kept;
}
