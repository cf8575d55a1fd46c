import { randomUUID } from "node:crypto";
import { SandboxError } from "../errors.ts";
import { delay, onAbort } from "../lib/abort.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import { Mutex } from "../lib/mutex.ts";
import type { Logger } from "../log.ts";
import type { Ending } from "../runs/ending.ts";
import { endWithoutProgram } from "../runs/ending.ts";
import type { Runs } from "../runs/runs.ts";
import type { Kernel } from "./kernel.ts";
import type { EnvironmentChange } from "./protocol.ts";
import type { CellEvent, CellStatus, Environment, Run } from "./types.ts";

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
  /** Starts a kernel of the context's language. */
  startKernel: () => Promise<Kernel>;
  /** Variables of every kernel, as they are now. */
  globalEnv: () => Environment;
}

/** Between SIGINTs to a cell that does not stop. */
const INTERRUPT_REPEAT_MS = 250;
/** After this long a cell that does not stop loses its kernel. */
const INTERRUPT_GRACE_MS = 5000;
/** A kernel that ends sooner after its start would end again. */
const SHORT_LIFE_MS = 1000;
const CONNECTION_CLOSED = "Connection to the execution was closed before the execution was finished";

/**
 * A language session with an id that outlives its kernels: a kernel that dies or is restarted is replaced by another one.
 * Cells run one at a time in the order they came (the mutex); restarting and disposing act at once.
 */
export class CodeContext {
  readonly id: string = randomUUID();
  readonly language: string;
  readonly cwd: string;
  readonly #options: ContextOptions;
  readonly #queue = new Mutex();
  #kernel: Promise<Kernel> | undefined;
  /** What the kernel was last told of the global variables. */
  #knownEnv: Environment = {};
  /** Kernels that we ended ourselves. */
  readonly #dropped = new WeakSet<Kernel>();
  #isDisposed = false;

  constructor(options: ContextOptions) {
    this.language = options.language;
    this.cwd = options.cwd;
    this.#options = options;
  }

  /** Cells that wait or run. */
  get queueLength(): number {
    return this.#queue.size;
  }

  /** Resolves when a kernel is ready. @throws SandboxError unavailable */
  async start(): Promise<void> {
    await this.#liveKernel();
  }

  /**
   * Queues a cell and returns its run at once. Aborting `signal` takes it out of the queue, or interrupts it.
   * The run's log holds the text, and in `events` what else the cell produced.
   */
  execute(request: CellRequest, signal: AbortSignal): Run {
    const { runs, user } = this.#options;
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

  /** Another kernel in place of this one, at once; a cell that runs ends with an error. */
  async restart(): Promise<void> {
    await this.#dropKernel();
    await this.#liveKernel();
  }

  /** Ends the kernel; cells that run or wait end with an error. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#dropKernel();
  }

  /** Never rejects: whatever happens becomes the run's end. */
  async #execute(run: Run, request: CellRequest, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    let ending: Ending;
    try {
      using _turn = await this.#queue.lock(signal);
      if (this.#isDisposed) throw new SandboxError("aborted", CONNECTION_CLOSED);
      const kernel = await this.#liveKernel();
      await this.#syncEnvironment(kernel);
      ending = await this.#runCell(run, kernel, request, signal);
    } catch (error) {
      ending = this.#neverRan(run, error, signal);
    }
    run.finish(endWithoutProgram(ending, performance.now() - startedAt));
  }

  #neverRan(run: Run, error: unknown, signal: AbortSignal): Ending {
    if (signal.aborted) return { type: "cancelled", by: "the client, before the cell began" };
    const message = error instanceof Error ? error.message : String(error);
    appendEvent(run, { type: "error", name: "UnexpectedEndOfExecution", value: message, traceback: "" });
    return { type: "lost", message };
  }

  async #runCell(run: Run, kernel: Kernel, request: CellRequest, signal: AbortSignal): Promise<Ending> {
    run.log.onDrain = () => kernel.resumeOutput();
    const done = kernel.execute(run.id, request.code, request.envs, {
      text: (stream, bytes) => {
        run.log.append(stream, bytes, { isUnit: true });
        return !run.log.isFull;
      },
      event: (event) => appendEvent(run, event),
    });
    const status = await this.#untilDone(run, kernel, done, { signal, timeoutMs: request.timeoutMs });
    if (status === "died") return this.#diedUnder(run, kernel);
    return run.endReason ?? { type: "finished", status };
  }

  /** Waits for the cell; when the client goes or its time is up, it is interrupted, and its kernel killed if that does not help. */
  async #untilDone(
    run: Run,
    kernel: Kernel,
    done: Promise<CellStatus | "died">,
    limits: { signal: AbortSignal; timeoutMs: number | undefined },
  ): Promise<CellStatus | "died"> {
    const stop = Promise.withResolvers<Ending>();
    using _client = onAbort(limits.signal, () => stop.resolve({ type: "cancelled", by: "the client" }));
    using _timer =
      limits.timeoutMs === undefined
        ? undefined
        : longTimeout(() => stop.resolve({ type: "timeout", which: "wall" }), limits.timeoutMs);
    const first = await Promise.race([done, stop.promise]);
    if (typeof first === "string") return first;
    run.decideEnding(first);
    return this.#interrupt(kernel, done);
  }

  /** SIGINT until the cell has ended; a cell that does not stop loses its kernel. */
  async #interrupt(kernel: Kernel, done: Promise<CellStatus | "died">): Promise<CellStatus | "died"> {
    const deadline = performance.now() + INTERRUPT_GRACE_MS;
    while (performance.now() < deadline) {
      kernel.interrupt();
      const outcome = await Promise.race([done, delay(INTERRUPT_REPEAT_MS)]);
      if (outcome) return outcome;
    }
    this.#options.log.warn("kernel.stuck", { contextId: this.id, language: this.language, pid: kernel.pid });
    await kernel.kill();
    return done;
  }

  /** Exactly one error tells the cell's client that its kernel is gone, and why. */
  async #diedUnder(run: Run, kernel: Kernel): Promise<Ending> {
    const { status, reason } = await kernel.exited;
    if (this.#dropped.has(kernel)) {
      appendEvent(run, { type: "error", name: "UnexpectedEndOfExecution", value: CONNECTION_CLOSED, traceback: "" });
      return { type: "cancelled", by: "restart or removal of the context" };
    }
    const value = `Context was restarted: ${reason}`;
    appendEvent(run, { type: "error", name: "ContextRestarting", value, traceback: "" });
    if (run.endReason) return run.endReason;
    if (!status) return { type: "lost", message: "the shim of the kernel was killed" };
    return "code" in status ? { type: "exited", code: status.code } : { type: "signaled", ...status };
  }

  /** The kernel, or the one that is being started in its place. */
  async #liveKernel(): Promise<Kernel> {
    this.#kernel ??= this.#startKernel();
    return this.#kernel;
  }

  async #startKernel(): Promise<Kernel> {
    this.#knownEnv = this.#options.globalEnv();
    try {
      const kernel = await this.#options.startKernel();
      void kernel.exited.then(({ reason }) => this.#replace(kernel, reason));
      return kernel;
    } catch (error) {
      this.#kernel = undefined;
      throw error;
    }
  }

  /** A kernel has ended by itself: the next one is started at once, unless this one did not live long enough to be of use. */
  #replace(kernel: Kernel, reason: string): void {
    if (this.#dropped.has(kernel)) return;
    this.#options.log.warn("kernel.died", { contextId: this.id, language: this.language, reason });
    this.#kernel = undefined;
    if (this.#isDisposed || kernel.ageMs < SHORT_LIFE_MS) return;
    // If it cannot be started, the next cell tries again and tells its client.
    this.#liveKernel().catch(() => undefined);
  }

  async #dropKernel(): Promise<void> {
    const dropped = this.#kernel;
    this.#kernel = undefined;
    const kernel = await dropped?.catch(() => undefined);
    if (!kernel) return;
    this.#dropped.add(kernel);
    await kernel.kill();
  }

  /** Tells the kernel which global variables have changed since it was told last. */
  async #syncEnvironment(kernel: Kernel): Promise<void> {
    const now = this.#options.globalEnv();
    const change = changeOf(this.#knownEnv, now);
    if (Object.keys(change).length > 0) await kernel.adopt("", change);
    this.#knownEnv = now;
  }
}

function appendEvent(run: Run, event: CellEvent): void {
  run.log.append("events", Buffer.from(JSON.stringify(event)), { isUnit: true });
}

/** What turns one set of variables into another. */
function changeOf(before: Environment, after: Environment): EnvironmentChange {
  const removed = Object.keys(before).filter((name) => !(name in after));
  const changed = Object.entries(after).filter(([name, value]) => before[name] !== value);
  return { ...Object.fromEntries(removed.map((name) => [name, undefined])), ...Object.fromEntries(changed) };
}
