import { errnoText } from "../errors.ts";
import type { Logger } from "../log.ts";
import { returnFreeMemory } from "./libc.ts";

/** Transfers of less leave little behind. */
const WORTH_BYTES = 32 * 1024 * 1024;
/** Other transfers may follow at once; then it would be for nothing. */
const CALM_MS = 2000;

/**
 * Gives memory back that the C library keeps after large transfers: their buffers come and go by the thousand, and what is freed
 * in between stays resident for good otherwise (75 MB after some gigabytes). Costs nothing while nothing is transferred.
 */
export class FreedMemory implements Disposable {
  readonly #log: Logger;
  #movedBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: { log: Logger }) {
    this.#log = deps.log;
  }

  /** A transfer of so many bytes is over. */
  note(bytes: number): void {
    this.#movedBytes += bytes;
    if (this.#movedBytes < WORTH_BYTES) return;
    this.#movedBytes = 0;
    this.#timer ??= setTimeout(() => void this.#giveBack(), CALM_MS).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  async #giveBack(): Promise<void> {
    this.#timer = undefined;
    try {
      await returnFreeMemory();
    } catch (error) {
      this.#log.warn("memory.not_returned", { error: errnoText(error) });
    }
  }
}
