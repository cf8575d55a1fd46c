import { statfs } from "node:fs/promises";

/** One reading of the machine. Sizes in bytes. */
export interface MetricsSample {
  at: Date;
  cpuCount: number;
  /** Of all processors together, since the sample before. */
  cpuUsedPercent: number;
  memoryTotal: number;
  memoryUsed: number;
  memoryCache: number;
  diskTotal: number;
  diskUsed: number;
}

const INTERVAL_MS = 5000;
/** Without a reader for this long nothing is sampled any more. */
const IDLE_MS = 60_000;

/**
 * Readings on a timer, so that asking costs nothing; the timer runs while somebody asks now and then.
 * The library behind it is loaded with the first reading.
 */
export class Metrics implements Disposable {
  #latest: Promise<MetricsSample> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #askedAt = 0;

  /** The newest sample, at most {@link INTERVAL_MS} old; the first caller waits for the first one. */
  async current(): Promise<MetricsSample> {
    this.#askedAt = performance.now();
    this.#timer ??= setInterval(() => this.#tick(), INTERVAL_MS).unref();
    this.#latest ??= takeSample();
    return this.#latest;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    if (performance.now() - this.#askedAt > IDLE_MS) {
      this[Symbol.dispose]();
      this.#latest = undefined;
      return;
    }
    const next = takeSample();
    // A failed reading is told to whoever asks next; the one before stays until then.
    next.then(
      () => (this.#latest = next),
      () => (this.#latest = next),
    );
  }
}

async function takeSample(): Promise<MetricsSample> {
  const { default: system } = await import("systeminformation");
  const [load, memory, disk] = await Promise.all([system.currentLoad(), system.mem(), statfs("/")]);
  return {
    at: new Date(),
    cpuCount: load.cpus.length,
    cpuUsedPercent: Math.round(load.currentLoad * 100) / 100,
    memoryTotal: memory.total,
    memoryUsed: memory.active,
    memoryCache: memory.buffcache,
    diskTotal: disk.blocks * disk.bsize,
    diskUsed: (disk.blocks - disk.bavail) * disk.bsize,
  };
}
