import { setImmediate as nextTurn } from "node:timers/promises";
import { delay } from "./abort.ts";

/** Small pieces that add up to this with no pause between them are a flood of them (a terminal's come 4 KiB at a time) … */
const FLOOD_BYTES = 16 * 1024;
const FLOOD_GAP_MS = 2;
/** … and are gathered for so long, … */
const GATHER_MS = 1;
/** … unless so much comes in that time that it is the source that would have to wait. */
const FAST_BYTES = 128 * 1024;
/** Such a source is tried again after so many pieces. */
const FAST_PIECES = 256;

/**
 * Holds a busy sender back for a moment, so that much small output goes out in few large pieces: each call of the system and
 * each waking of a client costs more than the bytes. What comes alone is never delayed.
 */
export class Gatherer {
  #lastAt = 0;
  #flood = 0;
  #hasPaused = false;
  #fastPieces = 0;

  /** Resolves when the next piece should be sent. */
  async sent(bytes: number): Promise<void> {
    this.#flood = performance.now() - this.#lastAt < FLOOD_GAP_MS ? this.#flood + bytes : bytes;
    if (this.#hasPaused && bytes >= FAST_BYTES) this.#fastPieces = FAST_PIECES;
    this.#hasPaused = this.#flood >= FLOOD_BYTES && this.#fastPieces === 0;
    if (this.#fastPieces > 0) this.#fastPieces -= 1;
    if (this.#hasPaused) await delay(GATHER_MS);
    else if (this.#flood >= FLOOD_BYTES) await nextTurn();
    this.#lastAt = performance.now();
  }
}
