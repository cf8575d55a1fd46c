import { delay } from "../lib/abort.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import type { Ending, Interruption } from "../runs/ending.ts";
import type { Kernel } from "./kernel.ts";
import type { CellStatus } from "./types.ts";

/** A wish to end a cell before its time. */
export interface StopRequest {
  reason: Ending;
  /** How long the cell may take to stop; 5 s unless given. */
  graceMs?: number | undefined;
  /** A cell that has not stopped by then goes on, instead of losing its kernel. */
  isGentle?: boolean | undefined;
}

/** How a cell ended in its kernel, or that the kernel is no more. */
type CellOutcome = CellStatus | "died";

/** After this long a cell that does not stop loses its kernel. */
const STOP_GRACE_MS = 5000;
/** Between SIGINTs to a cell that does not stop. */
const REPEAT_MS = 250;

/**
 * How a cell is ended before its time, and what came of that. One that has not begun never begins; one that runs gets SIGINT
 * until it stops, and at last its kernel is killed. Several may want it at once: a wish that kills is the reason that counts.
 */
export class CellStop {
  readonly #gate = new AbortController();
  #cell: { kernel: Kernel; done: Promise<CellOutcome> } | undefined;
  #outcome: CellOutcome | undefined;
  #firmReason: Ending | undefined;
  /** Of those who would let it go on; gone when the last of them has given up. */
  #gentleReason: Ending | undefined;
  #gentle = 0;
  #hasKilled = false;
  readonly #clock: ProgramClock;
  readonly #onStuck: (pid: number) => void;

  constructor(options: { clock: ProgramClock; onStuck: (pid: number) => void }) {
    this.#clock = options.clock;
    this.#onStuck = options.onStuck;
  }

  /** Aborts when the cell is not to begin any more. */
  get signal(): AbortSignal {
    return this.#gate.signal;
  }

  /** Why the cell is being stopped, or was. */
  get reason(): Ending | undefined {
    return this.#firmReason ?? this.#gentleReason;
  }

  /** What came of it, once the cell has ended; undefined when nobody wanted it to stop. */
  get interruption(): Interruption | undefined {
    if (!this.reason) return undefined;
    return this.#outcome ? interruptionOf(this.#outcome) : { outcome: "interrupted", isStateKept: true };
  }

  /** Whether the cell's kernel was killed since it did not stop. */
  get hasKilled(): boolean {
    return this.#hasKilled;
  }

  /** The cell runs from now on, until `done` says how it ended. */
  begin(kernel: Kernel, done: Promise<CellOutcome>): void {
    const noted = done.then((outcome) => (this.#outcome = outcome));
    noted.catch(() => undefined); // it could not be sent to its kernel: whoever sent it hears of that
    this.#cell = { kernel, done: noted };
  }

  /** Stops the cell; resolves with what came of it. */
  async request({ reason, graceMs = STOP_GRACE_MS, isGentle = false }: StopRequest): Promise<Interruption> {
    if (!this.#cell) {
      this.#firmReason ??= reason;
      this.#gate.abort();
      return { outcome: "interrupted", isStateKept: true };
    }
    if (this.#outcome) return { outcome: "finished", isStateKept: this.#outcome !== "died" };
    const { kernel, done } = this.#cell;
    if (isGentle) this.#gentleReason ??= reason;
    else this.#firmReason ??= reason;
    // Output that waits for a slow client must not keep the cell from ending.
    kernel.resumeOutput();
    if (!isGentle)
      return interruptionOf((await this.#press(kernel, done, graceMs)) ?? (await this.#kill(kernel, done)));
    this.#gentle += 1;
    const outcome = await this.#press(kernel, done, graceMs);
    this.#gentle -= 1;
    if (outcome) return interruptionOf(outcome);
    if (this.#gentle === 0) this.#gentleReason = undefined;
    return { outcome: "ignored", isStateKept: true };
  }

  async #kill(kernel: Kernel, done: Promise<CellOutcome>): Promise<CellOutcome> {
    if (!this.#hasKilled) this.#onStuck(kernel.pid);
    this.#hasKilled = true;
    await kernel.kill();
    return done;
  }

  /** SIGINT until the cell has ended; undefined when it has not within `graceMs`. */
  async #press(kernel: Kernel, done: Promise<CellOutcome>, graceMs: number): Promise<CellOutcome | undefined> {
    const deadline = this.#clock.now() + graceMs;
    let outcome: CellOutcome | void = undefined;
    for (let leftMs = graceMs; !outcome && leftMs >= 0; leftMs = deadline - this.#clock.now()) {
      kernel.interrupt();
      outcome = await Promise.race([done, delay(Math.min(REPEAT_MS, leftMs))]);
    }
    return outcome ?? undefined;
  }
}

function interruptionOf(outcome: CellOutcome): Interruption {
  if (outcome === "died") return { outcome: "killed", isStateKept: false };
  return { outcome: outcome === "interrupted" ? "interrupted" : "finished", isStateKept: true };
}
