import type { FileDescriptor } from "../host/file-access.ts";
import { releaseMemory } from "../lib/release-memory.ts";
import type { Spool } from "./spool.ts";
import { writeFully } from "./write-fully.ts";

/** Bodies up to this size wait in memory for their end, larger ones in a file without a name. */
const MAX_MEMORY_BYTES = 256 * 1024;
/** Written to disk at once; as much again arrives meanwhile. */
const BATCH_BYTES = 512 * 1024;

/** Everything that is to be in a file, arrived whole. */
export interface Content extends AsyncDisposable {
  readonly sizeBytes: number;
  /** Writes bytes `from` to `end` to the same positions of `file`. @throws the system error of write */
  copyTo(file: FileDescriptor, from: number, end: number): Promise<void>;
}

/** A small {@link Content}. */
export class MemoryContent implements Content {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  async copyTo(file: FileDescriptor, from: number, end: number): Promise<void> {
    if (end > from) await writeFully(file, this.#bytes.subarray(from, end), from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // nothing is open
  }
}

/**
 * Takes in a whole body with no more than a MiB of memory, however large it is. Its chunks are taken for good: what is written of them is
 * given back to the system.
 * @throws whatever `body` throws, and the system errors of a full disk; nothing is left behind then
 */
export async function receive(body: AsyncIterable<Buffer>, openSpool: () => Promise<Spool>): Promise<Content> {
  await using stack = new AsyncDisposableStack();
  let filling: SpoolFilling | undefined;
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of body) {
    if (filling) {
      await filling.add(chunk);
      continue;
    }
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes <= MAX_MEMORY_BYTES) continue;
    filling = new SpoolFilling(stack.use(await openSpool()));
    for (const early of held) await filling.add(early);
    held = [];
  }
  if (!filling) return new MemoryContent(held.length === 1 && held[0] ? held[0] : Buffer.concat(held, heldBytes));
  const spool = await filling.finish();
  stack.move();
  return spool;
}

/** As {@link receive}, but even a small body goes into `spool`. */
export async function fillSpool(spool: Spool, body: AsyncIterable<Buffer>): Promise<void> {
  const filling = new SpoolFilling(spool);
  for await (const chunk of body) await filling.add(chunk);
  await filling.finish();
}

/** Writes one batch while the next one arrives. */
class SpoolFilling {
  readonly #spool: Spool;
  #writing = Promise.resolve();
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** @throws the system error of a write that is over */
  async add(chunk: Buffer): Promise<void> {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > BATCH_BYTES) await this.#write();
  }

  async finish(): Promise<Spool> {
    await this.#write();
    await this.#writing;
    return this.#spool;
  }

  async #write(): Promise<void> {
    await this.#writing;
    if (this.#heldBytes === 0) return;
    this.#writing = appendAndRelease(this.#spool, this.#held);
    // A failure is met when the next batch is due; until then it is not an unhandled one.
    this.#writing.catch(() => undefined);
    this.#held = [];
    this.#heldBytes = 0;
  }
}

/** What is in the spool is not needed in memory. @throws the system error of write */
async function appendAndRelease(spool: Spool, chunks: readonly Buffer[]): Promise<void> {
  await spool.append(chunks);
  for (const chunk of chunks) releaseMemory(chunk);
}
