import { SandboxError } from "../errors.ts";
import { onAbort } from "../lib/abort.ts";
import { Notifier } from "../lib/notifier.ts";
import { BLOCK_BYTES, giveBlock } from "./block-pool.ts";
import {
  BlockCursor,
  lastBlockAt,
  LOG_STREAMS,
  type LogBlock,
  type LogChunk,
  type LogOffsets,
  type LogStream,
} from "./log-block.ts";
import { futureOffset, type LogStart, trimStart } from "./log-start.ts";
import { type LogLimits, type LogOverflow, LogStore } from "./log-store.ts";
import { Pacer } from "./pacer.ts";
import type { SpillBudget } from "./spill-file.ts";

export interface ReadOptions {
  from: LogStart;
  /** Only these; all unless given. */
  streams?: readonly LogStream[];
  /** Goes on until the log is closed; otherwise ends with what is there. */
  follow: boolean;
  signal?: AbortSignal;
  /** Longest piece, 64 KiB unless given. */
  maxChunkBytes?: number;
  /** The pieces are copied in the turn in which they come: their memory may be used again. */
  isTransient?: boolean;
}

const NO_OFFSETS: LogOffsets = { stdout: 0, stderr: 0, pty: 0, events: 0 };

/**
 * Everything a run has printed, addressed by absolute byte offset per stream and by one position over all streams, in the
 * order it arrived. Appending never waits for readers, and readers never for each other: each holds a cursor of its own.
 * Recent bytes are in memory, older ones in a bounded file; what fell out of that is gone, and a reader there is told so.
 */
export class RunLog {
  readonly #store: LogStore;
  readonly #pacer: Pacer;
  readonly #changed = new Notifier();
  readonly #ends: Record<LogStream, number> = { ...NO_OFFSETS };
  #position = 0;
  #isClosed = false;
  #isDisposed = false;

  constructor(options: { limits: LogLimits; budget: SpillBudget; overflow?: LogOverflow | undefined }) {
    this.#store = new LogStore(options);
    const { memoryBytes, diskBytes } = options.limits;
    this.#pacer = new Pacer({ soft: memoryBytes, hard: memoryBytes + diskBytes * 0.75 });
  }

  /** Called when a full log can take more. */
  set onDrain(callback: (() => void) | undefined) {
    this.#store.onDrain = callback;
    this.#pacer.onResume = callback;
  }

  /** Bytes appended to each stream so far. */
  get ends(): LogOffsets {
    return this.#ends;
  }

  /** Bytes appended to all streams so far: the position of whoever has read everything. */
  get position(): number {
    return this.#position;
  }

  /** The first byte of each stream that can still be read. */
  get oldest(): LogOffsets {
    return this.#store.blocks[0]?.starts ?? this.#ends;
  }

  /** The first position that can still be read. */
  get oldestPosition(): number {
    return this.#store.blocks[0]?.start ?? this.#position;
  }

  /** The place in each stream that `position` is. @throws SandboxError as {@link read} */
  async offsetsAt(position: number): Promise<LogOffsets> {
    const cursor = position < this.#position ? this.#seek({ position }, LOG_STREAMS) : undefined;
    if (!cursor) return { ...this.#ends };
    const bytes = cursor.block.bytes ?? (await this.#load(cursor.block));
    const offsets = { ...cursor.block.starts };
    for (let at = cursor.block.start; at < position;) {
      const chunk = cursor.next(bytes, position - at);
      if (!chunk) break;
      offsets[chunk.stream] += chunk.bytes.length;
      at = chunk.position;
    }
    return offsets;
  }

  /** Keeps a busy source from pushing out more of the oldest part while somebody gets ready to read it. */
  hold(): Disposable {
    return this.#pacer.join(this.oldestPosition);
  }

  /** Where a reader goes on that has everything before `position`: there, or at the oldest place that stays, when held. */
  async resumeAt(position: number): Promise<{ position: number; offsets: LogOffsets }> {
    const first = this.firstSafe();
    return position >= first.position ? { position, offsets: await this.offsetsAt(position) } : first;
  }

  /** The oldest place that is still there when everything that waits for the disk is written. */
  firstSafe(): { position: number; offsets: LogOffsets } {
    const { blocks, leavingBlocks } = this.#store;
    const block = blocks[Math.min(leavingBlocks, blocks.length - 1)];
    return { position: block?.start ?? this.#position, offsets: { ...(block?.starts ?? this.#ends) } };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get diskBytes(): number {
    return this.#store.diskBytes;
  }

  /** Whether all the room is taken by what nobody has received yet: the source should stop until `onDrain`. */
  get isWaiting(): boolean {
    return this.#store.isWaiting;
  }

  /** Whether the source should stop until `onDrain`, so that who reads all the time gets everything. */
  get isPaced(): boolean {
    return this.#pacer.isPaused;
  }

  /** Whether the disk cannot keep up: the source should stop until `onDrain`. */
  get isFull(): boolean {
    return this.#store.isFull;
  }

  /** Resolves when nothing is on its way to disk. */
  settled(): Promise<void> {
    return this.#store.settled();
  }

  /**
   * Appends a copy of `bytes`. `isUnit` keeps them apart from their neighbours: readers get where they begin and end.
   * What comes after `close()` is still kept (a left-over child may write) but holds up nobody's reading.
   */
  append(stream: LogStream, bytes: Uint8Array, options: { isUnit?: boolean } = {}): void {
    if (this.#isDisposed) return;
    for (let rest = bytes; rest.length > 0;) {
      const taken = this.#store
        .writable(this.#position, this.#ends, rest.length)
        .append(stream, rest, options.isUnit ?? false);
      rest = rest.subarray(taken);
      this.#ends[stream] += taken;
      this.#position += taken;
    }
    this.#changed.notify();
    this.#store.balance();
    this.#pacer.produced(this.#position);
  }

  /** Notes that somebody has received everything before `position`. */
  markReceived(position: number): void {
    this.#store.markReceived(position);
  }

  /** The run has ended: followers end when they have read everything. */
  close(): void {
    this.#isClosed = true;
    this.#changed.notify();
    this.#store.close();
  }

  /** Gives memory and disk back; readers end with `not_found`. */
  dispose(): void {
    this.#isClosed = true;
    this.#isDisposed = true;
    this.#store.dispose();
    this.#changed.notify();
  }

  /** Throws what reading from `from` would throw at once. */
  checkStart(from: LogStart, streams: readonly LogStream[] = LOG_STREAMS): void {
    this.#seek(from, streams);
  }

  /**
   * Reads from `from` on, in order of arrival. Aborting ends this reading only.
   * @throws SandboxError out_of_range (the oldest place is named) when that part is gone, also later if the reader falls
   *   that far behind; invalid_argument when it is in the future; not_found when the run is forgotten meanwhile
   */
  async *read(options: ReadOptions): AsyncGenerator<LogChunk> {
    for await (const batch of this.readBatches({ ...options, maxBatchBytes: 1 })) yield* batch;
  }

  /** As {@link read}, but together all pieces that are there without waiting, up to a little more than `maxBatchBytes`. */
  async *readBatches(options: ReadOptions & { maxBatchBytes: number }): AsyncGenerator<LogChunk[]> {
    const { from, follow, signal, streams = LOG_STREAMS, maxBatchBytes } = options;
    let cursor = this.#seek(from, streams);
    using reader = follow && !this.#isClosed ? this.#pacer.join(cursor?.block.start ?? this.#position) : undefined;
    using _wakeUp = signal && onAbort(signal, () => this.#changed.notify());
    for (;;) {
      signal?.throwIfAborted();
      const batch: LogChunk[] = [];
      let position = cursor?.position ?? 0;
      for (let bytes = 0; cursor && bytes < maxBatchBytes;) {
        const chunk = this.#nextHere(cursor, options);
        const following = chunk ? undefined : this.#nextBlockHere(cursor);
        if (following) cursor = following;
        if (!chunk && !following) break;
        const wanted = chunk && streams.includes(chunk.stream) ? trimStart(chunk, from) : undefined;
        if (wanted) batch.push(wanted);
        bytes += wanted?.bytes.length ?? 0;
        position = cursor.position;
      }
      if (batch.length > 0) yield batch;
      reader?.advance(position);
      if (batch.length > 0) continue;
      if (cursor && !cursor.isAtEnd) {
        cursor.loaded = await this.#load(cursor.block);
        continue;
      }
      const next = cursor ? this.#after(cursor.block) : this.#store.blocks[0];
      if (next) {
        if (options.isTransient && cursor?.loaded) giveBlock(cursor.loaded);
        cursor = new BlockCursor(next);
        continue;
      }
      if (this.#isDisposed) throw this.#trimmed();
      if (!follow || this.#isClosed) return;
      await this.#changed.wait();
    }
  }

  /** The next piece of the cursor's block, if its bytes are in memory. Looked up for each: the block may move to disk meanwhile. */
  #nextHere(
    cursor: BlockCursor,
    { maxChunkBytes = BLOCK_BYTES, isTransient = false }: ReadOptions,
  ): LogChunk | undefined {
    const { block, loaded } = cursor;
    if (!isTransient && !loaded) block.isShared = true;
    const bytes = loaded ?? block.bytes;
    return bytes && cursor.next(bytes, maxChunkBytes);
  }

  #nextBlockHere(cursor: BlockCursor): BlockCursor | undefined {
    const { next, isGone } = this.#store.after(cursor.block);
    return cursor.isAtEnd && next?.bytes && !isGone ? new BlockCursor(next) : undefined;
  }

  #after(block: LogBlock): LogBlock | undefined {
    const { next, isGone } = this.#store.after(block);
    if (isGone || this.#isDisposed) throw this.#trimmed();
    return next;
  }

  async #load(block: LogBlock): Promise<Buffer> {
    const bytes = await this.#store.load(block);
    if (!bytes) throw this.#trimmed();
    return bytes;
  }

  /** A cursor at the start of the block where reading begins, or undefined when there is none. */
  #seek(from: LogStart, streams: readonly LogStream[]): BlockCursor | undefined {
    if (this.#isDisposed) throw this.#trimmed();
    const [first] = this.#store.blocks;
    if ("position" in from) {
      if (from.position > this.#position) throw futureOffset("log", from.position, this.#position);
      if (first && from.position < first.start) throw this.#trimmed();
      return this.#cursorAt((block) => block.start, from.position);
    }
    const cursors = streams.map((stream) => {
      const offset = from.offsets[stream];
      if (offset !== undefined && offset > this.#ends[stream]) throw futureOffset(stream, offset, this.#ends[stream]);
      if (offset !== undefined && offset < this.oldest[stream]) throw this.#trimmed(stream);
      return this.#cursorAt((block) => block.starts[stream], offset ?? 0);
    });
    return cursors.filter((cursor) => cursor !== undefined).toSorted((a, b) => a.block.sequence - b.block.sequence)[0];
  }

  #cursorAt(startOf: (block: LogBlock) => number, wanted: number): BlockCursor | undefined {
    const block = lastBlockAt(this.#store.blocks, startOf, wanted);
    return block && new BlockCursor(block);
  }

  #trimmed(stream?: LogStream): SandboxError {
    if (this.#isDisposed) return new SandboxError("not_found", "the run was forgotten", { reason: "run_not_found" });
    const { stdout, stderr, pty } = this.oldest;
    const where = stream ? `${stream} offset ${this.oldest[stream]}` : `stdout ${stdout}, stderr ${stderr}, pty ${pty}`;
    return new SandboxError("out_of_range", `that part of the log is no longer kept; the oldest byte is at ${where}`, {
      reason: "log_trimmed",
      hint: "read on from the oldest offset",
    });
  }
}
