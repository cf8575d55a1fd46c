import { setImmediate } from "node:timers/promises";
import { SandboxError } from "../errors.ts";
import { delay, withAbort } from "../lib/abort.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import { Mutex } from "../lib/mutex.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import type { SignalName } from "./child.ts";
import { FrozenGroup } from "./frozen-group.ts";
import { type FreezeAudit, FrozenTrees, type TreeCounts } from "./frozen-trees.ts";

export interface FreezerDeps {
  /** Shims of all programs with something left to watch: what is frozen descends from them, but not they themselves. */
  shims: () => readonly number[];
  /** Programs that are being started in this moment. */
  startsUnderWay: () => number;
  /** Stands still meanwhile. */
  clock: ProgramClock;
}

export interface FreezeOptions {
  /** More trees than this are left running, and the report says so. */
  maxTrees: number;
  /** How long to wait until everything has stopped; 0: not at all. */
  waitMs: number;
  signal: AbortSignal;
}

/** What became of a freeze. A tree is one program with everything it has started. */
export interface FreezeReport extends TreeCounts {
  sweepMs: number;
  waitMs: number;
}

interface Frozen {
  trees: FrozenTrees;
  maxTrees: number;
  thawed: PromiseWithResolvers<void>;
  watchdog: Disposable;
  rest: NodeJS.Timeout;
}

/** Nobody means to freeze a sandbox for longer: whoever was to thaw it is gone. */
const MAX_FROZEN_MS = 600_000;
/** Between looks at what has not stopped yet: soon at first, then less often, since each reads all of /proc that is ours. */
const FIRST_PAUSE_MS = 2;
const LAST_PAUSE_MS = 50;
/** Who is stopped by signals may be continued by others, without a word to us. */
const REST_MS = 500;
/** Programs that are frozen by signals would be woken up by these, or be woken up in spite of them. */
const JOB_CONTROL: ReadonlySet<SignalName> = new Set(["SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"]);
/** A tree that is still not still then forks faster than we look. */
const MAX_SWEEPS = 100;

/**
 * Freezes everything that was started here, and thaws it. What would be started meanwhile waits. In a cgroup (v2) of its own where
 * there can be one, else by SIGSTOP; who was stopped before stays stopped afterwards. One call at a time, in the order they came.
 */
export class Freezer implements AsyncDisposable {
  readonly #deps: FreezerDeps;
  readonly #mutex = new Mutex();
  readonly #closing = new AbortController();
  #frozen: Frozen | undefined;
  #isRestDue = false;
  /** Nobody waits for a freeze that is about to be undone: its caller may be one from before a snapshot, gone without a word. */
  #thawsWaiting = 0;
  /** Called when things were thawed since nobody did it in time. */
  onOverdue: (() => void) | undefined;
  /** Where it is noted whom signals have stopped, for whoever comes after us. */
  recordPath: string | undefined;
  /** Whether a cgroup is used where there can be one. */
  usesGroup = true;

  constructor(deps: FreezerDeps) {
    this.#deps = deps;
  }

  get isFrozen(): boolean {
    return this.#frozen !== undefined;
  }

  /** Resolves when nothing is frozen. @throws SandboxError unavailable when the daemon ends; the reason of `signal` */
  async untilThawed(signal?: AbortSignal): Promise<void> {
    while (this.#frozen) await withAbort(this.#frozen.thawed.promise, signal);
    if (this.#closing.signal.aborted) throw ending();
  }

  /**
   * Freezes, or freezes what has got away meanwhile; it stays so until {@link thaw}, or for ten minutes. Aborting ends the wait only.
   * @throws the reason of `signal` when that aborts before all is done
   */
  async freeze({ maxTrees, waitMs, signal }: FreezeOptions): Promise<FreezeReport> {
    const given = AbortSignal.any([signal, this.#closing.signal]);
    using _turn = await this.#mutex.lock(given);
    const beganAt = performance.now();
    const { trees } = this.#begin(maxTrees);
    await this.#sweep();
    const sweptAt = performance.now();
    let counts = trees.count(this.#deps.shims(), maxTrees);
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#isDone(counts) && performance.now() - sweptAt < waitMs && this.#thawsWaiting === 0) {
      await delay(pauseMs, given);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
      await this.#sweep();
      counts = trees.count(this.#deps.shims(), maxTrees);
    }
    return { ...counts, sweepMs: sweptAt - beganAt, waitMs: performance.now() - sweptAt };
  }

  /** Everything goes on. Undefined when nothing was frozen. */
  async thaw(): Promise<FreezeAudit | undefined> {
    this.#thawsWaiting += 1;
    using _turn = await this.#mutex.lock();
    this.#thawsWaiting -= 1;
    if (!this.#frozen) return undefined;
    const { trees, maxTrees, thawed, watchdog, rest } = this.#frozen;
    const audit = trees.audit(this.#deps.shims(), maxTrees);
    watchdog[Symbol.dispose]();
    clearInterval(rest);
    trees.release();
    this.#deps.clock.thaw();
    this.#frozen = undefined;
    thawed.resolve();
    return audit;
  }

  /** @throws SandboxError failed_precondition when `signal` would be undone by the thaw, or undo what is frozen: see {@link JOB_CONTROL} */
  checkSignal(signal: SignalName): void {
    if (!JOB_CONTROL.has(signal) || !this.#frozen?.trees.isBySignals) return;
    throw new SandboxError("failed_precondition", `the programs are frozen, and ${signal} would not reach them`, {
      hint: "send it after POST /unfreeze",
    });
  }

  /** Something was started, or has ended, which may wake up others: is anybody running who should not? */
  noteChange(): void {
    if (!this.#frozen || this.#isRestDue) return;
    this.#isRestDue = true;
    void this.#freezeRest();
  }

  /** Thaws, and lets nothing be frozen or started any more: who is frozen hears no SIGTERM. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(ending());
    await this.thaw();
  }

  #begin(maxTrees: number): Frozen {
    this.#frozen?.watchdog[Symbol.dispose]();
    const watchdog = longTimeout(() => void this.#thawOverdue(), MAX_FROZEN_MS);
    if (this.#frozen) return (this.#frozen = { ...this.#frozen, watchdog, maxTrees });
    this.#deps.clock.freeze();
    const trees = new FrozenTrees(this.usesGroup ? FrozenGroup.open() : undefined, this.recordPath);
    const rest = setInterval(() => trees.isBySignals && this.noteChange(), REST_MS).unref();
    this.#frozen = { trees, maxTrees, thawed: Promise.withResolvers(), watchdog, rest };
    return this.#frozen;
  }

  /** What is born while it is looked is found by looking again; in between, others have their turn. */
  async #sweep(): Promise<void> {
    if (!this.#frozen) return;
    const { trees, maxTrees } = this.#frozen;
    for (let round = 0; round < MAX_SWEEPS && !this.#closing.signal.aborted; round += 1) {
      if ((await trees.sweep(this.#deps.shims(), maxTrees)) === 0) return;
      await setImmediate();
    }
  }

  async #freezeRest(): Promise<void> {
    using _turn = await this.#mutex.lock();
    this.#isRestDue = false;
    await this.#sweep();
  }

  async #thawOverdue(): Promise<void> {
    if (await this.thaw()) this.onOverdue?.();
  }

  #isDone({ notFrozen }: TreeCounts): boolean {
    return notFrozen === 0 && this.#deps.startsUnderWay() === 0;
  }
}

function ending(): SandboxError {
  return new SandboxError("unavailable", "guestd is ending");
}
