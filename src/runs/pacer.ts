/** Bytes that the fastest reader may be behind. */
export interface PaceLimits {
  /** Beyond this the source waits a moment for a reader that is nearly as fast. */
  soft: number;
  /** Beyond this it waits as long as that reader moves at all: it would soon fall out of what is kept. */
  hard: number;
}

/** A reader that has not caught up by then is not nearly as fast: it reads on from disk, and the source goes on. */
const SOFT_WAIT_MS = 20;
/** A reader that takes nothing for so long has stalled: nobody waits for it. */
const STALL_MS = 1000;

/** One reader that follows a log. */
export interface PacedReader extends Disposable {
  /** It has taken everything before `position`. */
  advance(position: number): void;
}

/**
 * Keeps a source from running away from who reads it: it pauses while the fastest reader is behind but moving, so that a
 * client that reads all the time gets everything. One that stalls, or is slower than another, is never waited for.
 */
export class Pacer {
  readonly #limits: PaceLimits;
  readonly #readers = new Set<{ position: number; isStalled: boolean }>();
  #end = 0;
  #pause: { mode: "soft" | "hard"; timer: NodeJS.Timeout } | undefined;
  /** The fastest reader is too slow for soft pauses, until it has caught up. */
  #isSlow = false;
  /** Called when the source may go on. */
  onResume: (() => void) | undefined;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  /** Notes that the source has come to `end`. */
  produced(end: number): void {
    this.#end = end;
    if (this.#readers.size === 0 || this.#pause?.mode === "hard") return;
    const lag = this.#lag();
    if (lag > this.#limits.hard) this.#stop("hard");
    else if (lag > this.#limits.soft && !this.#isSlow && !this.#pause) this.#stop("soft");
  }

  join(position: number): PacedReader {
    const reader = { position, isStalled: false };
    this.#readers.add(reader);
    return {
      advance: (to) => {
        reader.position = to;
        reader.isStalled = false;
        this.#moved();
      },
      [Symbol.dispose]: () => {
        this.#readers.delete(reader);
        this.#moved();
      },
    };
  }

  /** How far the fastest reader that moves is behind; 0 when there is none. */
  #lag(): number {
    let fastest = -1;
    for (const { position, isStalled } of this.#readers) if (!isStalled) fastest = Math.max(fastest, position);
    return fastest < 0 ? 0 : this.#end - fastest;
  }

  #moved(): void {
    if (!this.#pause && !this.#isSlow) return;
    const lag = this.#lag();
    const hasCaughtUp = lag <= this.#limits.soft / 2;
    if (hasCaughtUp) this.#isSlow = false;
    if (hasCaughtUp || (this.#pause?.mode === "hard" && lag <= this.#limits.hard * 0.9)) this.#goOn();
    else if (this.#pause?.mode === "hard") this.#stop("hard"); // it moves: the time begins anew
  }

  #stop(mode: "soft" | "hard"): void {
    clearTimeout(this.#pause?.timer);
    const onTimeout = (): void => {
      if (mode === "soft") this.#isSlow = true;
      else for (const reader of this.#readers) reader.isStalled = true;
      this.#goOn();
    };
    // One of Node's: a reader that is given up since we were stopped is waited for again as soon as it moves.
    this.#pause = { mode, timer: setTimeout(onTimeout, mode === "soft" ? SOFT_WAIT_MS : STALL_MS).unref() };
  }

  #goOn(): void {
    if (!this.#pause) return;
    clearTimeout(this.#pause.timer);
    this.#pause = undefined;
    this.onResume?.();
  }
}
