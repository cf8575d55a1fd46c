import { errnoText } from "../errors.ts";
import type { Clock } from "../host/libc-clock.ts";
import type { Logger } from "../log.ts";

/** What time it was, for whoever told us, when we were told. */
export interface ClockReading {
  timeNs: bigint;
  /** On our monotonic clock (`performance.now()`). */
  heardAtMs: number;
}

/** Programs hardly mind a clock that goes back a little, but time that stands still. */
const BEHIND_NS = 50_000_000n;
const AHEAD_NS = 5_000_000_000n;

/** Sets the machine's clock by what control planes say, when it is more than 50 ms behind or 5 s ahead. */
export class ClockRule {
  readonly #clock: Clock;
  readonly #log: Logger;
  #hasFailed = false;

  constructor(deps: { clock: Clock; log: Logger }) {
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** Never throws: that the clock cannot be set is logged once. */
  follow({ timeNs, heardAtMs }: ClockReading): void {
    // The call may have waited for another one since.
    const meantNs = timeNs + BigInt(Math.round((performance.now() - heardAtMs) * 1e6));
    const behindNs = meantNs - this.#clock.nowNs();
    if (behindNs <= BEHIND_NS && behindNs >= -AHEAD_NS) return;
    const behindMs = Number(behindNs / 1_000_000n);
    try {
      this.#clock.set(meantNs);
      this.#log.info("clock.set", { behindMs });
    } catch (error) {
      if (!this.#hasFailed) this.#log.warn("clock.not_set", { behindMs, error: errnoText(error) });
      this.#hasFailed = true;
    }
  }
}
