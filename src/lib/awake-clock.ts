import { readFileSync } from "node:fs";

/** The longest delay a timer of Node's takes; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** While a timer is waiting, it is looked whether we were stopped: after this part of what is left to the earliest one … */
const LOOK_SHARE = 1 / 16;
/** … but no more often than this. Shorter timers are not worth a look. */
const MIN_LOOK_MS = 250;
/** What is late by less was not stopped for long enough to matter. */
const LATE_MS = 500;
/** Timers of Node's may fire a millisecond early; ours do not, but for what adding up fractions loses. */
const EXACT_MS = 0.01;

interface Waiting {
  dueAt: number;
}

/**
 * Time that this process was awake for. A process that was stopped (SIGSTOP, a frozen container, a machine that was paused) finds
 * all its timers overdue when it goes on, and whoever they would punish had no chance: the gap is not counted.
 * Nothing tells that one was stopped, so it is looked now and then while a timer is waiting, and never otherwise. A look that comes late
 * although we neither computed nor waited for a processor was held up: everything since the look before it is taken for missed,
 * so that a deadline comes up to a sixteenth of its time late, not early.
 */
export class AwakeClock {
  readonly #readBusyMs: () => number;
  readonly #waiting = new Set<Waiting>();
  #missedMs = 0;
  /** When it was looked last; everything before that is accounted for. */
  #seenAt = performance.now();
  /** For how long it had been busy then; undefined when it is to be read again. */
  #busyAtMs: number | undefined;
  #look: { timer: NodeJS.Timeout; dueAt: number } | undefined;

  /** @param readBusyMs for how long this process has computed, or waited for a processor, in all */
  constructor(readBusyMs: () => number = processorTimeMs) {
    this.#readBusyMs = readBusyMs;
  }

  /** Milliseconds on a scale of its own. It tells of a gap only what came while a timer was waiting. */
  now(): number {
    const realNow = performance.now();
    if (this.#look && realNow - this.#look.dueAt > LATE_MS) this.#skipGap(realNow);
    return realNow - this.#missedMs;
  }

  /** To be called after a SIGCONT: we were stopped for some time since the last look, even if that was too short to make one late. */
  noteContinued(): void {
    const realNow = performance.now();
    if (this.#look && realNow - this.#seenAt > LATE_MS) this.#skipGap(realNow);
  }

  /** Calls back after `delayMs`, of any length, of being awake. Does not keep the process alive. Disposing stops it. */
  timeout(callback: () => void, delayMs: number): Disposable {
    const waiting = { dueAt: this.now() + delayMs };
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      clearTimeout(timer);
      this.#remove(waiting);
    };
    const arm = (leftMs: number): void => {
      timer = setTimeout(check, Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS)).unref();
    };
    const check = (): void => {
      const leftMs = waiting.dueAt - this.now();
      if (leftMs >= EXACT_MS) return arm(leftMs);
      stop();
      callback();
    };
    if (delayMs > MIN_LOOK_MS) this.#add(waiting);
    arm(delayMs);
    return { [Symbol.dispose]: stop };
  }

  #add(waiting: Waiting): void {
    this.#waiting.add(waiting);
    this.#planLook(waiting.dueAt);
  }

  #remove(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting) || this.#waiting.size > 0) return;
    clearTimeout(this.#look?.timer);
    this.#look = undefined;
  }

  /** Sees to it that it is looked early enough for a timer that is due at `awakeDueAt`. */
  #planLook(awakeDueAt: number): void {
    const realNow = performance.now();
    const leftMs = awakeDueAt + this.#missedMs - realNow;
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.max(MIN_LOOK_MS, leftMs * LOOK_SHARE));
    if (this.#look && this.#look.dueAt <= realNow + waitMs) return;
    clearTimeout(this.#look?.timer);
    // A start of a program plans looks by the hundred, and each reading costs as much as ten of them.
    if (realNow - this.#seenAt > LATE_MS) this.#busyAtMs = undefined;
    this.#busyAtMs ??= this.#readBusyMs();
    this.#seenAt = realNow;
    this.#look = { timer: setTimeout(() => this.#takeLook(), waitMs).unref(), dueAt: realNow + waitMs };
  }

  #takeLook(): void {
    this.now();
    this.#look = undefined;
    let earliest = Infinity;
    for (const { dueAt } of this.#waiting) earliest = Math.min(earliest, dueAt);
    this.#busyAtMs = undefined;
    if (earliest < Infinity) this.#planLook(earliest);
  }

  #skipGap(realNow: number): void {
    const busyMs = this.#readBusyMs();
    this.#missedMs += Math.max(0, realNow - this.#seenAt - (busyMs - (this.#busyAtMs ?? busyMs)));
    this.#seenAt = realNow;
    this.#busyAtMs = busyMs;
    // Looked at: it is not late a second time.
    if (this.#look) this.#look.dueAt = Infinity;
  }
}

/** The clock of this process. */
export const awakeClock = new AwakeClock();

/** Of the main thread; 0 where the kernel does not tell: then a process that gets no processor is taken for a stopped one. */
function processorTimeMs(): number {
  try {
    const [computedNs = 0, waitedNs = 0] = readFileSync("/proc/self/schedstat", "latin1").split(" ").map(Number);
    return (computedNs + waitedNs) / 1e6;
  } catch {
    return 0;
  }
}
