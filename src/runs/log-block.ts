import { BLOCK_BYTES, takeBlock } from "./block-pool.ts";

/** The streams a run can have. `events` holds what a code cell produced besides text, one JSON value per unit. */
export const LOG_STREAMS = ["stdout", "stderr", "pty", "events"] as const;
export type LogStream = (typeof LOG_STREAMS)[number];

/** Absolute positions in each stream, in bytes. */
export type LogOffsets = Readonly<Record<LogStream, number>>;

/** A piece of a log. `bytes` never change and may be kept. */
export interface LogChunk {
  stream: LogStream;
  /** Position of the first byte in its own stream. */
  offset: number;
  /** Position after the last byte in the whole log, all streams counted: a cursor. */
  position: number;
  bytes: Buffer;
  /** When the piece's first byte was appended, in ms since 1970. */
  timeMs: number;
  /** Whether a unit that was appended whole ends here; false while more of it follows. */
  endsUnit: boolean;
}

const SMALLEST_BLOCK_BYTES = 2 * 1024;
/*
 * A block is a sequence of extents: a header, then bytes of one stream.
 * Header: 32 bits little endian (bits 0-1 stream, 2 continues, 3 sealed, 4-31 length), then the time as a 64-bit float.
 */
const HEADER_BYTES = 12;
const CONTINUES = 0b0100;
const SEALED = 0b1000;

/** A stretch of a log, filled once from front to back and then immutable; its bytes may move to disk. */
export class LogBlock {
  readonly sequence: number;
  /** Position in the log of its first byte. */
  readonly start: number;
  readonly starts: LogOffsets;
  /** Undefined when they are only on disk. */
  bytes: Buffer | undefined;
  /** A frozen block takes no more: its image is being written. */
  isFrozen = false;
  /** Somebody may have kept pieces of its bytes. */
  isShared = false;
  #used = 0;
  #lastHeader = -1;

  constructor(options: { sequence: number; start: number; starts: LogOffsets; capacity: number }) {
    this.sequence = options.sequence;
    this.start = options.start;
    this.starts = options.starts;
    this.bytes = takeBlock(options.capacity);
  }

  /** Bytes in use, headers included. */
  get used(): number {
    return this.#used;
  }

  /** Bytes that still fit; 0 for a block that takes no more. */
  get room(): number {
    const free = this.isFrozen ? 0 : (this.bytes?.length ?? 0) - this.#used;
    return Math.max(0, free - HEADER_BYTES);
  }

  /** How large the block after one of `previous` bytes should be to take `wanted` more. */
  static capacityAfter(previous: number, wanted: number): number {
    const target = Math.max(previous * 2, wanted + HEADER_BYTES, SMALLEST_BLOCK_BYTES);
    return Math.min(2 ** Math.ceil(Math.log2(target)), BLOCK_BYTES);
  }

  /** Appends as much of `bytes` as fits and returns how much that was. A unit is never joined with its neighbours. */
  append(stream: LogStream, bytes: Uint8Array, isUnit: boolean): number {
    const buffer = this.bytes;
    if (!buffer || this.isFrozen) return 0;
    const kind = LOG_STREAMS.indexOf(stream);
    const isJoined = !isUnit && this.#lastHeader >= 0 && (buffer.readUInt32LE(this.#lastHeader) & 0b1111) === kind;
    const room = buffer.length - this.#used - (isJoined ? 0 : HEADER_BYTES);
    if (room <= 0) return 0;
    const length = Math.min(room, bytes.length);
    if (isJoined) {
      buffer.writeUInt32LE(buffer.readUInt32LE(this.#lastHeader) + (length << 4), this.#lastHeader);
    } else {
      const flags = isUnit ? SEALED | (length < bytes.length ? CONTINUES : 0) : 0;
      this.#lastHeader = this.#used;
      buffer.writeUInt32LE((length << 4) | flags | kind, this.#used);
      buffer.writeDoubleLE(Date.now(), this.#used + 4);
      this.#used += HEADER_BYTES;
    }
    buffer.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#used);
    this.#used += length;
    return length;
  }

  /** The block as it is written to disk: frozen, and no byte in it is anything but the log's. */
  image(): Buffer | undefined {
    this.isFrozen = true;
    return this.bytes?.fill(0, this.#used);
  }
}

/** The last of the ordered `blocks` that begins at or before `wanted`, else the first. */
export function lastBlockAt(
  blocks: readonly LogBlock[],
  startOf: (block: LogBlock) => number,
  wanted: number,
): LogBlock | undefined {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const block = blocks[middle];
    if (block && startOf(block) <= wanted) low = middle + 1;
    else high = middle;
  }
  return blocks[Math.max(0, low - 1)];
}

/** A place in a block; walks its extents. Stays valid while the block grows. */
export class BlockCursor {
  readonly block: LogBlock;
  /** The block's bytes, read back from disk for this cursor. */
  loaded: Buffer | undefined;
  readonly #offsets: Record<LogStream, number>;
  #position: number;
  #header = 0;
  #taken = 0;

  constructor(block: LogBlock) {
    this.block = block;
    this.#offsets = { ...block.starts };
    this.#position = block.start;
  }

  /** Position in the log of what comes next. */
  get position(): number {
    return this.#position;
  }

  /** Whether there is nothing more in the block so far. */
  get isAtEnd(): boolean {
    return this.#header + HEADER_BYTES + this.#taken >= this.block.used;
  }

  /** The next piece of at most `maxBytes`, or undefined when there is none yet. `bytes` are the block's. */
  next(bytes: Buffer, maxBytes: number): LogChunk | undefined {
    while (this.#header + HEADER_BYTES <= this.block.used) {
      const word = bytes.readUInt32LE(this.#header);
      const length = word >>> 4;
      if (this.#taken < length) return this.#take(bytes, word, Math.min(length - this.#taken, maxBytes));
      if (this.#header + HEADER_BYTES + length >= this.block.used) return undefined;
      this.#header += HEADER_BYTES + length;
      this.#taken = 0;
    }
    return undefined;
  }

  #take(bytes: Buffer, word: number, length: number): LogChunk {
    const stream = LOG_STREAMS[word & 0b11] ?? "stdout";
    const from = this.#header + HEADER_BYTES + this.#taken;
    const offset = this.#offsets[stream];
    this.#taken += length;
    this.#offsets[stream] += length;
    this.#position += length;
    const isWhole = this.#taken === word >>> 4 && (word & CONTINUES) === 0;
    return {
      stream,
      offset,
      position: this.#position,
      bytes: bytes.subarray(from, from + length),
      timeMs: bytes.readDoubleLE(this.#header + 4),
      endsUnit: (word & SEALED) !== 0 && isWhole,
    };
  }
}
