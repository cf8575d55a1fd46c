import type { FileHandle } from "node:fs/promises";
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
  copyTo(file: FileHandle, from: number, end: number): Promise<void>;
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

  async copyTo(file: FileHandle, from: number, end: number): Promise<void> {
    if (end > from) await writeFully(file, this.#bytes.subarray(from, end), from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // nothing is open
  }
}

/**
 * Takes in a whole body with no more than a MiB of memory, however large it is.
 * @throws whatever `body` throws, and the system errors of a full disk; nothing is left behind then
 */
export async function receive(body: AsyncIterable<Buffer>, openSpool: () => Promise<Spool>): Promise<Content> {
  await using stack = new AsyncDisposableStack();
  let spool: Spool | undefined;
  let writing = Promise.resolve();
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of body) {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes <= (spool ? BATCH_BYTES : MAX_MEMORY_BYTES)) continue;
    spool ??= stack.use(await openSpool());
    await writing;
    writing = spool.append(held);
    // A failure is met when the next batch is due; until then it is not an unhandled one.
    writing.catch(() => undefined);
    held = [];
    heldBytes = 0;
  }
  if (!spool) return new MemoryContent(held.length === 1 && held[0] ? held[0] : Buffer.concat(held, heldBytes));
  await writing;
  if (heldBytes > 0) await spool.append(held);
  stack.move();
  return spool;
}
