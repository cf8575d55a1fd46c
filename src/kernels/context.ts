import { randomUUID } from "node:crypto";
import { SandboxError } from "../errors.ts";
import type { Identity } from "../host/users.ts";
import { onAbort, withAbort } from "../lib/abort.ts";
import { Mutex } from "../lib/mutex.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import type { Logger } from "../log.ts";
import { type Ending, endWithoutProgram, type Interruption } from "../runs/ending.ts";
import type { Runs } from "../runs/runs.ts";
import { CellStop, type StopRequest } from "./cell-stop.ts";
import type { Kernel } from "./kernel.ts";
import { KernelSeat } from "./kernel-seat.ts";
import { RunSink } from "./run-sink.ts";
import type { CellEvent, Environment, Run } from "./types.ts";

export interface CellRequest {
  code: string;
  /** Variables for this cell only. */
  envs: Environment;
  /** The cell is interrupted this long after its start. */
  timeoutMs?: number | undefined;
}

export interface ContextOptions {
  language: string;
  /** As it was asked for; kernels start there if they can. */
  cwd: string;
  user: string;
  runs: Runs;
  log: Logger;
  /** What its limits go by. */
  clock: ProgramClock;
  /** Text and results of one cell that are kept, in bytes. */
  maxOutputBytes: number;
  /** Starts a kernel of the context's language; rejects with the signal's reason when that aborts first. */
  startKernel: (signal: AbortSignal) => Promise<Kernel>;
  /** All variables that a kernel would be started with now. */
  environment: (user: Identity) => Environment;
}

/** When and why a context lost its state without anybody having asked for that. */
export interface StateLoss {
  at: Date;
  reason: string;
}

/** What came of interrupting a context; `run` is the cell that was meant, if one ran. */
export type ContextInterruption = Interruption & { run: Run | undefined };

const CONNECTION_CLOSED = "Connection to the execution was closed before the execution was finished";

/**
 * A language session with an id that outlives its kernels: a kernel that dies or is restarted is replaced by another one.
 * Cells run one at a time in the order they came (the mutex); restarting and disposing act at once.
 */
export class CodeContext {
  readonly id: string = randomUUID();
  readonly language: string;
  readonly cwd: string;
  readonly createdAt = new Date();
  readonly #options: ContextOptions;
  readonly #queue = new Mutex();
  readonly #seat: KernelSeat;
  /** The cell whose turn it is. */
  #turn: { run: Run; stop: CellStop } | undefined;
  #lastLoss: StateLoss | undefined;
  /** A loss that no cell was told of yet. */
  #untoldLoss: StateLoss | undefined;
  #usedAtMs: number;
  #isUsed = false;

  constructor(options: ContextOptions) {
    this.language = options.language;
    this.cwd = options.cwd;
    this.#options = options;
    this.#usedAtMs = options.clock.now();
    this.#seat = new KernelSeat({
      start: options.startKernel,
      onDeath: (reason) => this.#noteLoss(reason),
    });
  }

  /** Cells that wait or run. */
  get queueLength(): number {
    return this.#queue.size;
  }

  /** How long no cell has run or waited, in milliseconds. */
  get idleMs(): number {
    return this.queueLength > 0 ? 0 : this.#options.clock.now() - this.#usedAtMs;
  }

  /** Process id of its kernel; undefined while there is none. */
  get kernelPid(): number | undefined {
    return this.#seat.kernel?.pid;
  }

  /** The shim of its kernel, while there is one: everything that cells start descends from it. */
  get shimPid(): number | undefined {
    return this.#seat.kernel?.shimPid;
  }

  /** The last time its state was lost, if ever. */
  get lastLoss(): StateLoss | undefined {
    return this.#lastLoss;
  }

  /** Resolves when a kernel is ready. @throws SandboxError unavailable */
  async start(): Promise<void> {
    await this.#seat.live();
    this.#usedAtMs = this.#options.clock.now();
  }

  /**
   * Queues a cell and returns its run at once. Aborting `signal` takes it out of the queue, or interrupts it.
   * The run's log holds the text, and in `events` what else the cell produced.
   */
  execute(request: CellRequest, signal: AbortSignal): Run {
    const { runs, user } = this.#options;
    this.#isUsed = true;
    const run = runs.create({
      kind: "cell",
      cmd: this.language,
      args: [],
      envs: request.envs,
      cwd: this.cwd,
      user,
      tag: undefined,
      contextId: this.id,
    });
    void this.#execute(run, request, signal);
    return run;
  }

  /**
   * Interrupts the cell that runs, if one does; those that wait come next. One that has not stopped after `graceMs` loses
   * its kernel, or goes on if `isGentle`. Resolves when that is known.
   */
  async interrupt(options: Omit<StopRequest, "reason"> = {}): Promise<ContextInterruption> {
    if (!this.#turn) return { outcome: "finished", isStateKept: true, run: undefined };
    const { run, stop } = this.#turn;
    const came = await stop.request({ reason: { type: "cancelled", by: "an interrupt of the context" }, ...options });
    return { ...came, run };
  }

  /**
   * Another kernel in place of this one, at once; a cell that runs ends with an error.
   * @throws SandboxError unavailable, not_found when the context is removed meanwhile
   */
  async restart(): Promise<void> {
    this.#untoldLoss = undefined;
    await this.#seat.renew();
  }

  /** Another kernel in place of one that nobody has used yet. Never rejects: a kernel that cannot be had is tried for again by the first cell. */
  async refresh(): Promise<void> {
    using _turn = await this.#queue.lock();
    if (this.#isUsed || this.#seat.isClosed) return;
    await this.#seat.renew().catch(() => undefined);
  }

  /** Its kernel draws other random numbers than those of a copy of this machine, from the next cell on. */
  reseed(entropy: string): void {
    this.#seat.reseed(entropy);
  }

  /** Ends the kernel; cells that run or wait end with an error. */
  async dispose(): Promise<void> {
    await this.#seat.close(contextNotFound(this.id));
  }

  /** Never rejects: whatever happens becomes the run's end. */
  async #execute(run: Run, request: CellRequest, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    const stop = new CellStop({ clock: this.#options.clock, onStuck: (pid) => this.#warn("kernel.stuck", { pid }) });
    run.onStop = async (reason) => void (await Promise.all([stop.request({ reason }), run.ended]));
    using _client = onAbort(signal, () => this.#stop(stop, { type: "cancelled", by: "the client" }));
    let ending: Ending;
    try {
      using _turn = await this.#queue.lock(stop.signal);
      this.#turn = { run, stop };
      ending = await this.#runCell(run, request, stop);
    } catch (error) {
      ending = this.#neverRan(run, error, stop);
    }
    if (this.#turn?.run === run) this.#turn = undefined;
    this.#usedAtMs = this.#options.clock.now();
    run.finish(endWithoutProgram(ending, performance.now() - startedAt, stop.interruption));
    // The run is kept for a while; its kernel, which may be gone long before that, is not.
    run.onStop = undefined;
    run.log.onDrain = undefined;
  }

  #neverRan(run: Run, error: unknown, { reason }: CellStop): Ending {
    if (reason) {
      appendEvent(run, { type: "error", name: "KeyboardInterrupt", value: "", traceback: "" });
      return reason.type === "cancelled" ? { ...reason, by: `${reason.by}, before the cell began` } : reason;
    }
    const message = this.#seat.isClosed ? CONNECTION_CLOSED : error instanceof Error ? error.message : String(error);
    appendEvent(run, { type: "error", name: "UnexpectedEndOfExecution", value: message, traceback: "" });
    return { type: "lost", message };
  }

  async #runCell(run: Run, { code, envs, timeoutMs }: CellRequest, stop: CellStop): Promise<Ending> {
    const kernel = await withAbort(this.#preparedKernel(), stop.signal);
    stop.signal.throwIfAborted();
    // A cell that is being stopped, or whose kernel is ending, waits for no reader: it would never get to its end.
    const isPatient = (): boolean => stop.reason === undefined && !kernel.isEnding;
    run.log.onDrain = () => {
      if (!run.log.isPaced || !isPatient()) kernel.resumeOutput();
    };
    const { maxOutputBytes: maxBytes, clock } = this.#options;
    const sink = new RunSink({ run, isPatient, maxBytes, preface: this.#lossNotice() });
    const done = kernel.execute(run.id, code, envs, sink);
    stop.begin(kernel, done);
    using _timer =
      timeoutMs === undefined
        ? undefined
        : clock.timeout(() => this.#stop(stop, { type: "timeout", which: "wall" }), timeoutMs);
    const status = await done;
    if (status === "died") return this.#diedUnder(kernel, sink, stop);
    if (status === "error" && !sink.hasFailed) sink.fail("Error", "what the cell reported of its error is too large");
    // One that was asked to stop and came to an end of its own all the same was not ended by that.
    return stop.reason && status === "interrupted" ? stop.reason : { type: "finished", status };
  }

  /** A live kernel with the variables as they are now; one that ends meanwhile costs no cell. */
  async #preparedKernel(): Promise<Kernel> {
    for (;;) {
      const kernel = await this.#seat.live();
      try {
        await kernel.adoptEnvironment(this.#options.environment(kernel.user));
        return kernel;
      } catch (error) {
        if (!kernel.hasExited) throw error;
      }
    }
  }

  #stop(stop: CellStop, reason: Ending): void {
    stop.request({ reason }).catch((error: unknown) => this.#warn("cell.stop_failed", { error: String(error) }));
  }

  /** Exactly one error tells the cell's client that its kernel is gone, and why. */
  async #diedUnder(kernel: Kernel, sink: RunSink, stop: CellStop): Promise<Ending> {
    const { status, reason } = await kernel.exited;
    if (this.#seat.wasDropped(kernel)) {
      sink.fail("UnexpectedEndOfExecution", CONNECTION_CLOSED);
      return { type: "cancelled", by: "restart or removal of the context" };
    }
    const why = stop.hasKilled ? `${reason}, since the cell did not stop when it was interrupted` : reason;
    this.#lastLoss = { at: new Date(), reason: why };
    this.#untoldLoss = undefined;
    sink.fail("ContextRestarting", `Context was restarted: ${why}`);
    if (stop.reason) return stop.reason;
    if (!status) return { type: "lost", message: "the shim of the kernel was killed" };
    return "code" in status ? { type: "exited", code: status.code } : { type: "signaled", ...status };
  }

  #noteLoss(reason: string): void {
    this.#lastLoss = this.#untoldLoss = { at: new Date(), reason };
    this.#warn("kernel.died", { reason });
  }

  #warn(event: string, facts: Record<string, string | number>): void {
    this.#options.log.warn(event, { contextId: this.id, language: this.language, ...facts });
  }

  /** What the next cell is told of a kernel that ended while none ran. */
  #lossNotice(): string | undefined {
    const loss = this.#untoldLoss;
    this.#untoldLoss = undefined;
    return loss && `the kernel ended between cells (${loss.reason}): this is a fresh one, without its state`;
  }
}

/** What whoever asks for a context by an id that is none is told. */
export function contextNotFound(id: string): SandboxError {
  return new SandboxError("not_found", `Context ${id} not found`, { reason: "context_not_found" });
}

function appendEvent(run: Run, event: CellEvent): void {
  run.log.append("events", Buffer.from(JSON.stringify(event)), { isUnit: true });
}
