import { writeSync } from "node:fs";
import { errnoName } from "../errors.ts";
import { inputClosed, inputFull, MAX_QUEUED_BYTES, type ProgramInput } from "./program-input.ts";

/** Most bytes handed to the kernel in one turn of the event loop. */
const MAX_WRITE_BYTES = 64 * 1024;
/** A terminal cannot be waited for through libuv: when it takes no more, it is tried again after these. */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 20;

interface Pending {
  bytes: Uint8Array;
  settle: (error?: Error) => void;
}

/** What is typed into a terminal. Writes queue in order without blocking anybody. Does not own its descriptor. */
export class PtyInput implements ProgramInput {
  readonly #fd: number;
  readonly #queue: Pending[] = [];
  #queuedBytes = 0;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(master: number) {
    this.#fd = master;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed) throw inputClosed();
    if (bytes.length === 0) return;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) throw inputFull(this.#queuedBytes);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ bytes, settle: (error) => (error ? reject(error) : resolve()) });
    this.#queuedBytes += bytes.length;
    if (this.#queue.length === 1) this.#flush();
    await promise;
  }

  /** A terminal has no end of file: Ctrl+D (0x04) is typed for that. Never called: `ProgramChild` refuses. */
  close(): void {
    this.destroy();
  }

  destroy(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const { settle } of this.#queue.splice(0)) settle(inputClosed());
    this.#queuedBytes = 0;
  }

  #flush(): void {
    for (let left = MAX_WRITE_BYTES; left > 0;) {
      const [first] = this.#queue;
      if (!first) return;
      const written = this.#tryWrite(first.bytes, left);
      if (written === undefined) return;
      if (written === 0) return this.#flushLater(this.#backOff());
      left -= written;
      this.#retryMs = FIRST_RETRY_MS;
      this.#queuedBytes -= written;
      first.bytes = first.bytes.subarray(written);
      if (first.bytes.length === 0) this.#queue.shift()?.settle();
    }
    if (this.#queue.length > 0) this.#flushLater(0);
  }

  /** Bytes the terminal took; 0 when it takes none now, undefined when it is gone. */
  #tryWrite(bytes: Uint8Array, most: number): number | undefined {
    try {
      return writeSync(this.#fd, bytes, 0, Math.min(bytes.length, most));
    } catch (error) {
      if (errnoName(error) === "EAGAIN") return 0;
      this.destroy();
      return undefined;
    }
  }

  #backOff(): number {
    const wait = this.#retryMs;
    this.#retryMs = Math.min(wait * 2, LAST_RETRY_MS);
    return wait;
  }

  #flushLater(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), ms);
  }
}
