import { randomUUID } from "node:crypto";
import { SandboxError } from "../errors.ts";
import type { Child, OutputSink } from "../host/child.ts";
import type { Launcher, ProgramSpec } from "../host/launcher.ts";
import type { OomWatch } from "../host/oom.ts";
import { terminateTree } from "../host/process-group.ts";
import { onAbort } from "../lib/abort.ts";
import { awakeClock } from "../lib/awake-clock.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import type { Logger } from "../log.ts";
import { type DeadlineLimits, Deadlines } from "./deadlines.ts";
import { type DeadlineKind, type Ending, endOf, endWithoutProgram } from "./ending.ts";
import type { LogLimits, LogOverflow } from "./log-store.ts";
import { Run, type RunConfig } from "./run.ts";
import type { SpillBudget } from "./spill-file.ts";
import { TagIndex } from "./tag-index.ts";

/** How long and how many runs are kept after their end. */
export interface Retention {
  maxAgeMs: number;
  maxFinished: number;
}

export interface RunsOptions {
  launcher: Launcher;
  budget: SpillBudget;
  limits: LogLimits;
  /** Of programs whose start does not say; a code cell's log never waits. */
  overflow?: LogOverflow;
  retention: Retention;
  oom: OomWatch;
  log: Logger;
}

export interface StartOptions {
  config: RunConfig;
  program: ProgramSpec;
  /** When one passes, the run is ended: at once with SIGKILL, or gracefully when `graceMs` is given. */
  deadlines?: DeadlineLimits | undefined;
  graceMs?: number;
  overflow?: LogOverflow | undefined;
  /** The caller's: whoever aborts before the program was started, since programs are frozen, does not want it any more. */
  signal?: AbortSignal | undefined;
}

/** After SIGKILL, how long the kernel may take. */
const KILL_WAIT_MS = 2000;

/**
 * All runs of this daemon, live and finished. A run is registered before its program starts, so a fast exit is never missed;
 * finished ones are kept within bounds of age, number and disk space, the oldest going first.
 */
export class Runs implements AsyncDisposable {
  readonly #options: RunsOptions;
  readonly #runs = new Map<string, Run>();
  readonly #byPid = new Map<number, Run>();
  readonly #byTag = new TagIndex();
  /** In order of their ends, with when that was: by no clock that somebody sets. */
  readonly #finished = new Map<Run, number>();
  #expiry: Disposable | undefined;

  constructor(options: RunsOptions) {
    this.#options = options;
    options.budget.onPressure = () => this.#freeDisk();
  }

  /** All runs in order of their starts. */
  list(): Run[] {
    return [...this.#runs.values()];
  }

  /** Undefined when it was forgotten, or never was. */
  find(id: string): Run | undefined {
    return this.#runs.get(id);
  }

  /** @throws SandboxError not_found */
  get(id: string): Run {
    const run = this.find(id);
    if (run) return run;
    throw new SandboxError("not_found", `no run with id ${JSON.stringify(id)}`, {
      reason: "run_not_found",
      hint: "GET /v1/runs lists them; finished ones are kept for a limited time",
    });
  }

  /** The newest run with that process id, live or retained. */
  findByPid(pid: number): Run | undefined {
    return this.#byPid.get(pid);
  }

  /** The newest run with that tag, live or retained, that `accepts` takes. */
  findByTag(tag: string, accepts: (run: Run) => boolean = () => true): Run | undefined {
    return this.#byTag.newest(tag, accepts);
  }

  /** Registers a run that is not a program of its own (a code cell); whoever creates it finishes it. */
  create(config: RunConfig, overflow?: LogOverflow): Run {
    const { limits, budget } = this.#options;
    const run = new Run({ id: newRunId(), config, limits, budget, overflow });
    this.#runs.set(run.id, run);
    this.#byTag.add(run);
    void run.ended.then(() => this.#retain(run));
    return run;
  }

  /**
   * Starts a program as a run; resolves once it runs.
   * @throws SandboxError when it could not be started; such a run stays listed with the ending `spawn_failed`; canceled when
   *   it was not wanted any more before programs were thawed
   */
  async start(options: StartOptions): Promise<Run> {
    const run = this.create(options.config, options.overflow ?? this.#options.overflow);
    const { deadlines: limits, graceMs = 0 } = options;
    const { launcher } = this.#options;
    const oomCount = this.#options.oom.recentCount();
    const deadlines = limits && new Deadlines(limits, launcher.clock, (which) => this.#expire(run, which, graceMs));
    const take: OutputSink = (stream, bytes) => {
      run.log.append(stream, bytes);
      deadlines?.noteOutput();
      const { isFull, isWaiting, isPaced } = run.log;
      // What an ended program has left in its pipes is little, and its end must not wait for a receiver.
      return run.child?.hasEnded ? !isFull || isWaiting : !isFull && !isWaiting && !isPaced;
    };
    using waiting = launcher.freezer.isFrozen ? waitingFor(run, options.signal) : undefined;
    try {
      const child = await launcher.start(options.program, take, { signal: waiting?.signal });
      run.attach(child);
      if (this.#runs.has(run.id)) this.#byPid.set(child.pid, run);
      void this.#finish(run, child, { deadlines, oomCount });
      // Decided while it was being started, when there was nobody to end.
      if (run.endReason) this.#carryOut(run, run.endReason, graceMs);
      return run;
    } catch (error) {
      deadlines?.[Symbol.dispose]();
      const message = error instanceof Error ? error.message : String(error);
      const isUnwanted = waiting?.signal.aborted && error === waiting.signal.reason;
      const ending: Ending = isUnwanted ? { type: "cancelled", by: message } : { type: "spawn_failed", message };
      run.finish(endWithoutProgram((isUnwanted && run.endReason) || ending, 0));
      throw error;
    }
  }

  /**
   * Ends a run for `reason` (the first reason stands) together with everything it started.
   * Resolves when nothing of it is left, or with who is left after SIGKILL.
   */
  async terminate(run: Run, reason: Ending, options: { graceMs: number }): Promise<readonly number[]> {
    run.decideEnding(reason);
    if (!run.child) {
      if (!run.end) await run.onStop?.(reason);
      return [];
    }
    return terminateTree(run.child, { signal: "SIGTERM", graceMs: options.graceMs, killWaitMs: KILL_WAIT_MS });
  }

  /** Ends the run if it is live and forgets it. Resolves with who survived. */
  async remove(run: Run, by: string): Promise<readonly number[]> {
    const survivors = await this.terminate(run, { type: "cancelled", by }, { graceMs: 0 });
    if (run.child) await run.ended;
    this.#forget(run);
    run.onRemoved?.();
    return survivors;
  }

  /** Ends all runs, SIGTERM first, within about four seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#expiry?.[Symbol.dispose]();
    const reason: Ending = { type: "cancelled", by: "shutdown of guestd" };
    await Promise.all(this.list().map((run) => this.terminate(run, reason, { graceMs: 1500 })));
    for (const run of this.list()) this.#forget(run);
  }

  async #finish(
    run: Run,
    child: Child,
    { deadlines, oomCount }: { deadlines: Deadlines | undefined; oomCount: number | undefined },
  ): Promise<void> {
    const exit = await child.exit;
    deadlines?.[Symbol.dispose]();
    const isKilled = exit.status !== undefined && "signal" in exit.status && exit.status.signal === "SIGKILL";
    const isOurs = run.endReason !== undefined || run.wasKilled;
    const certainty =
      isKilled && !isOurs ? await this.#options.oom.verdict(child.pid, oomCount, exit.usage.wallMs) : undefined;
    run.finish(endOf(exit, certainty ? { type: "oom", certainty } : run.endReason));
  }

  /** A deadline that passes after the program's end, while its output is still read, is none. */
  #expire(run: Run, which: DeadlineKind, graceMs: number): void {
    const reason: Ending = { type: "timeout", which };
    if (run.decideEnding(reason)) this.#carryOut(run, reason, graceMs);
  }

  #carryOut(run: Run, reason: Ending, graceMs: number): void {
    this.terminate(run, reason, { graceMs }).catch((error: unknown) => {
      this.#options.log.error("run.terminate_failed", { runId: run.id, error: String(error) });
    });
  }

  #retain(run: Run): void {
    if (!this.#runs.has(run.id)) return;
    this.#finished.set(run, awakeClock.now());
    const [oldest] = this.#finished.keys();
    if (oldest && this.#finished.size > this.#options.retention.maxFinished) this.#forget(oldest);
    this.#scheduleExpiry();
  }

  /** One timer for the oldest; it forgets all that are too old by then. */
  #scheduleExpiry(): void {
    const [oldestAt] = this.#finished.values();
    if (oldestAt === undefined || this.#expiry) return;
    const { maxAgeMs } = this.#options.retention;
    this.#expiry = longTimeout(
      () => {
        this.#expiry = undefined;
        for (const [run, endedAt] of this.#finished) if (awakeClock.now() - endedAt > maxAgeMs - 1) this.#forget(run);
        this.#scheduleExpiry();
      },
      Math.max(1000, maxAgeMs - (awakeClock.now() - oldestAt)),
    );
  }

  /** Forgets the oldest finished run that holds disk space; false when there is none. */
  #freeDisk(): boolean {
    const oldest = this.#finished.keys().find((run) => run.log.diskBytes > 0);
    if (oldest) this.#forget(oldest);
    return oldest !== undefined;
  }

  #forget(run: Run): void {
    this.#runs.delete(run.id);
    this.#finished.delete(run);
    if (run.pid !== undefined && this.#byPid.get(run.pid) === run) this.#byPid.delete(run.pid);
    this.#byTag.delete(run);
    run.dispose();
  }
}

/** A signal that aborts when nobody wants the program of `run` any more, which waits for the thaw: it is to be ended, or its caller has gone. */
function waitingFor(run: Run, caller: AbortSignal | undefined): Disposable & { signal: AbortSignal } {
  const stop = new AbortController();
  const cancel = (why: string): void => stop.abort(new SandboxError("canceled", why));
  run.onStop = async () => cancel("it was ended before it was started");
  const listener = caller && onAbort(caller, () => cancel("its caller, who went away before it was started"));
  return { signal: stop.signal, [Symbol.dispose]: () => listener?.[Symbol.dispose]() };
}

/** 80 random bits, from the store of random numbers that Node keeps for UUIDs; the digits left out are not random. */
function newRunId(): string {
  const uuid = randomUUID();
  return `run_${uuid.slice(0, 8)}${uuid.slice(9, 13)}${uuid.slice(24, 32)}`;
}
