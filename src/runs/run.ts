import { SandboxError } from "../errors.ts";
import type { Child, SignalName } from "../host/child.ts";
import type { Environment } from "../host/env.ts";
import { type SignalReport, type SignalScope, signalProcess } from "../host/process-group.ts";
import { delay, withAbort } from "../lib/abort.ts";
import type { Ending, RunEnd } from "./ending.ts";
import type { LogLimits, LogOverflow } from "./log-store.ts";
import { RunLog } from "./run-log.ts";
import type { SpillBudget } from "./spill-file.ts";

export type RunKind = "command" | "terminal" | "cell";

/** What was asked for, as it was asked: plain values that can be written down and handed to another daemon. */
export interface RunConfig {
  kind: RunKind;
  cmd: string;
  args: readonly string[];
  envs: Environment;
  cwd: string | undefined;
  user: string;
  tag: string | undefined;
  /** The code context that a cell ran in. */
  contextId?: string;
}

/** Everything about a run but its output, as plain values. */
export interface RunState extends RunConfig {
  id: string;
  pid: number | undefined;
  startedAt: Date;
  end: RunEnd | undefined;
}

/**
 * One execution of something that produces output: a command, a terminal or a code cell.
 * It has one log and gets exactly one end; both stay readable until the run is forgotten.
 */
export class Run {
  readonly id: string;
  readonly config: RunConfig;
  readonly startedAt = new Date();
  readonly #createdAt = performance.now();
  readonly log: RunLog;
  readonly #ended = Promise.withResolvers<RunEnd>();
  #end: RunEnd | undefined;
  #endReason: Ending | undefined;
  #child: Child | undefined;
  /** Stops a run that has no program of its own: set by whoever runs it. Resolves when that has ended. */
  onStop: ((reason: Ending) => Promise<void>) | undefined;
  /** Called when somebody removes it, live or ended; not when it is forgotten for its age. */
  onRemoved: (() => void) | undefined;
  #deliveredPosition = 0;
  #wasKilled = false;

  constructor(options: {
    id: string;
    config: RunConfig;
    limits: LogLimits;
    budget: SpillBudget;
    overflow?: LogOverflow | undefined;
  }) {
    this.id = options.id;
    this.config = options.config;
    this.log = new RunLog(options);
    this.log.onDrain = () => {
      // A disk that is ready again is no reason to run away from who reads; a program that has ended waits for nobody.
      if (!this.log.isPaced || this.#child?.hasEnded) this.#child?.resumeOutput();
    };
  }

  /** The program, once it has started. */
  get child(): Child | undefined {
    return this.#child;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Time since its start, by no clock that somebody sets. */
  get ageMs(): number {
    return performance.now() - this.#createdAt;
  }

  /** The end, once there is one. */
  get end(): RunEnd | undefined {
    return this.#end;
  }

  /** Resolves with the end; never rejects. */
  get ended(): Promise<RunEnd> {
    return this.#ended.promise;
  }

  /** The end; rejects with the signal's reason when that aborts first. */
  waitForEnd(signal: AbortSignal): Promise<RunEnd> {
    return withAbort(this.ended, signal);
  }

  /** Whether the run ends within `timeoutMs` (undefined: however long it takes). */
  async waitForEndAtMost(timeoutMs: number | undefined, signal: AbortSignal): Promise<boolean> {
    if (timeoutMs === undefined) await this.waitForEnd(signal);
    else await Promise.race([this.waitForEnd(signal), delay(timeoutMs, signal)]);
    return this.#end !== undefined;
  }

  /** Why somebody decided to end this run, if somebody did; the first decision stands. */
  get endReason(): Ending | undefined {
    return this.#endReason;
  }

  /** Up to where the log was written to a subscriber's socket: what comes after, nobody has received. */
  get deliveredPosition(): number {
    return this.#deliveredPosition;
  }

  get state(): RunState {
    return { ...this.config, id: this.id, pid: this.pid, startedAt: this.startedAt, end: this.#end };
  }

  attach(child: Child): void {
    this.#child = child;
    // Its output may have been stopped, and the log been ready again, before it was known here.
    child.resumeOutput();
  }

  /** Notes that the log was handed to a subscriber up to `position`. */
  markDelivered(position: number): void {
    if (position <= this.#deliveredPosition) return;
    this.#deliveredPosition = position;
    this.log.markReceived(position);
  }

  /** Whether somebody asked for a SIGKILL: then the kernel was not the one that sent it. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  /**
   * Signals the program, its process group, or everything that descends from it, also after its end.
   * @throws SandboxError not_found (nobody there), permission_denied, failed_precondition (no program)
   */
  async signal(signal: SignalName, options: { scope: SignalScope; waitMs: number }): Promise<SignalReport> {
    if (!this.#child) throw new SandboxError("failed_precondition", `run ${this.id} has no program of its own`);
    if (signal === "SIGKILL") this.#wasKilled = true;
    return signalProcess(this.#child, signal, options);
  }

  /** Notes why the run is about to be ended. Returns false when another reason was first, or its program has ended. */
  decideEnding(reason: Ending): boolean {
    if (this.#end || this.#endReason || this.#child?.hasEnded) return false;
    this.#endReason = reason;
    return true;
  }

  /** Gives the run its end and closes the log for followers. Only the first call counts. */
  finish(end: RunEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.log.close();
    this.#ended.resolve(end);
  }

  /** Forgets log and descriptors; touches no process. */
  dispose(): void {
    this.#child?.[Symbol.dispose]();
    this.log.dispose();
  }
}
