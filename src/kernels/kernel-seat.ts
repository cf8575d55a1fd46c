import type { Kernel } from "./kernel.ts";

export interface KernelSeatOptions {
  /** Starts a kernel; rejects with the signal's reason when that aborts first. */
  start: (signal: AbortSignal) => Promise<Kernel>;
  /** Hears of a kernel that ended by itself, and why. */
  onDeath: (reason: string) => void;
}

/** A kernel that is there or being started. */
interface Occupant {
  kernel: Promise<Kernel>;
  /** Once it is. */
  ready: Kernel | undefined;
  stop: AbortController;
}

/** A kernel that ends sooner after its start would end again. */
const SHORT_LIFE_MS = 1000;

/**
 * The place of a context's kernel. It holds one at most: started when first needed, replaced when it ends by itself.
 * Anything may be called at any time; what is started here is ended here, also when it gets ready after the seat was closed.
 */
export class KernelSeat {
  readonly #options: KernelSeatOptions;
  #occupant: Occupant | undefined;
  /** Kernels that we ended ourselves. */
  readonly #dropped = new WeakSet<Kernel>();
  #closedBy: Error | undefined;

  constructor(options: KernelSeatOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#closedBy !== undefined;
  }

  /** The kernel that is there now, if one is ready. */
  get kernel(): Kernel | undefined {
    return this.#occupant?.ready;
  }

  /** Whether `kernel` was ended from here. */
  wasDropped(kernel: Kernel): boolean {
    return this.#dropped.has(kernel);
  }

  /** The kernel, or the one that is being started in its place. @throws what `start` or `close` was given */
  async live(): Promise<Kernel> {
    if (this.#closedBy) throw this.#closedBy;
    this.#occupant ??= this.#begin();
    const kernel = await this.#occupant.kernel;
    return this.#dropped.has(kernel) ? this.live() : kernel;
  }

  /** What is or gets ready in it draws other random numbers than those of a copy of this machine. */
  reseed(entropy: string): void {
    this.#occupant?.kernel.then(
      (kernel) => kernel.reseed(entropy),
      () => undefined, // there is none: the next one begins afresh
    );
  }

  /** Another kernel in place of this one; one that is only being started is new enough. */
  async renew(): Promise<void> {
    if (this.#occupant?.ready) await this.#drop(this.#occupant);
    await this.live();
  }

  /** Ends the kernel, and keeps the seat empty: from now on `live` throws `reason`. */
  async close(reason: Error): Promise<void> {
    this.#closedBy ??= reason;
    const occupant = this.#occupant;
    occupant?.stop.abort(reason);
    if (occupant) await this.#drop(occupant);
  }

  #begin(): Occupant {
    const stop = new AbortController();
    const occupant: Occupant = { kernel: this.#options.start(stop.signal), ready: undefined, stop };
    occupant.kernel.then(
      (kernel) => {
        occupant.ready = kernel;
        void kernel.exited.then(({ reason }) => this.#replace(occupant, kernel, reason));
      },
      () => this.#vacate(occupant),
    );
    return occupant;
  }

  #vacate(occupant: Occupant): void {
    if (this.#occupant === occupant) this.#occupant = undefined;
  }

  /** A kernel has ended by itself: the next one is started at once, unless this one did not live long enough to be of use. */
  #replace(occupant: Occupant, kernel: Kernel, reason: string): void {
    if (this.#dropped.has(kernel)) return;
    this.#vacate(occupant);
    this.#options.onDeath(reason);
    if (this.isClosed || kernel.ageMs < SHORT_LIFE_MS) return;
    // If it cannot be started, whoever needs it next tries again and hears why.
    this.live().catch(() => undefined);
  }

  async #drop(occupant: Occupant): Promise<void> {
    this.#vacate(occupant);
    const kernel = await occupant.kernel.catch(() => undefined);
    if (!kernel) return;
    this.#dropped.add(kernel);
    await kernel.close();
  }
}
