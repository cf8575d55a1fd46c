import { LoopLag } from "./loop-lag.ts";
import {
  type CpuLook,
  libraryMemory,
  lookAtCpu,
  type MemorySource,
  type MetricsSample,
  ownMemory,
  takeSample,
} from "./sample.ts";

const TICK_MS = 1000;
const TICKS_PER_SAMPLE = 5;
const MAX_AGE_MS = 2 * TICKS_PER_SAMPLE * TICK_MS;
/** Without a reader for this long nothing is sampled any more. Longer than the 5 min after which Prometheus forgets what it read. */
const IDLE_MS = 6 * 60_000;

/**
 * Readings on a timer, so that asking costs nothing; the timer runs while somebody asks now and then.
 * The first reading is taken when first asked for, and tells of the time since this was made; the first after a pause of the time
 * since the last one before it. The timer loads what its own readings are taken with, so that nobody waits for that.
 */
export class Metrics implements Disposable {
  readonly #pids: () => readonly number[];
  readonly #lag = new LoopLag(TICK_MS);
  #cpu: CpuLook | undefined = firstLook();
  #latest: Promise<MetricsSample> | undefined;
  #takenAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  #askedAt = 0;

  /** `pids`: processes that are looked at one by one. */
  constructor(deps: { pids: () => readonly number[] }) {
    this.#pids = deps.pids;
  }

  /** The newest sample, some seconds old at most; who asks first waits for the first one. */
  async current(): Promise<MetricsSample> {
    this.#askedAt = performance.now();
    this.#timer ??= this.#begin();
    // A daemon that was stopped in between has an old one.
    if (!this.#latest || this.#askedAt - this.#takenAt > MAX_AGE_MS) this.#latest = this.#take(ownMemory);
    return this.#latest;
  }

  /** How late the event loop came to a timer, at worst, in the last seconds; in ms. Undefined when that was not looked at yet. */
  get loopLagMs(): number | undefined {
    return this.#lag.worstMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #begin(): NodeJS.Timeout {
    this.#lag.reset();
    return setInterval(() => this.#tick(), TICK_MS).unref();
  }

  #tick(): void {
    this.#lag.note();
    if (performance.now() - this.#askedAt > IDLE_MS) {
      this[Symbol.dispose]();
      this.#latest = undefined;
      return;
    }
    this.#ticks += 1;
    if (this.#ticks % TICKS_PER_SAMPLE !== 0) return;
    const next = this.#take(libraryMemory);
    // A failed reading is told to whoever asks next; the one before stays until then.
    next.then(
      () => (this.#latest = next),
      () => (this.#latest = next),
    );
  }

  async #take(source: MemorySource): Promise<MetricsSample> {
    this.#takenAt = performance.now();
    const now = lookAtCpu();
    const before = this.#cpu ?? now;
    this.#cpu = now;
    return takeSample([before, now], this.#pids(), source);
  }
}

/** A daemon whose machine cannot be read yet serves all else. */
function firstLook(): CpuLook | undefined {
  try {
    return lookAtCpu();
  } catch {
    return undefined;
  }
}
