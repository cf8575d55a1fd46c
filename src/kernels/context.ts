import { randomUUID } from "node:crypto";
import { SandboxError } from "../errors.ts";
import type { Identity } from "../host/users.ts";
import { delay, onAbort, withAbort } from "../lib/abort.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import { Mutex } from "../lib/mutex.ts";
import type { Logger } from "../log.ts";
import type { Ending } from "../runs/ending.ts";
import { endWithoutProgram } from "../runs/ending.ts";
import type { Runs } from "../runs/runs.ts";
import type { Kernel } from "./kernel.ts";
import { KernelSeat } from "./kernel-seat.ts";
import type { CellEvent, CellStatus, Environment, Run } from "./types.ts";

export interface CellRequest {
  code: string;
  /** Variables for this cell only. */
  envs: Environment;
  /** The cell is interrupted this long after its start. */
  timeoutMs?: number | undefined;
}

/** What may end a cell before its time: its client, or whoever resolves `stop` first. */
interface CellLimits {
  signal: AbortSignal;
  stop: PromiseWithResolvers<Ending>;
}

export interface ContextOptions {
  language: string;
  /** As it was asked for; kernels start there if they can. */
  cwd: string;
  user: string;
  runs: Runs;
  log: Logger;
  /** Starts a kernel of the context's language; rejects with the signal's reason when that aborts first. */
  startKernel: (signal: AbortSignal) => Promise<Kernel>;
  /** All variables that a kernel would be started with now. */
  environment: (user: Identity) => Environment;
}

/** Between SIGINTs to a cell that does not stop. */
const INTERRUPT_REPEAT_MS = 250;
/** After this long a cell that does not stop loses its kernel. */
const INTERRUPT_GRACE_MS = 5000;
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
  readonly #seat: KernelSeat;
  /** Stops the cell whose turn it is. */
  #stopCell: ((reason: Ending) => void) | undefined;

  constructor(options: ContextOptions) {
    this.language = options.language;
    this.cwd = options.cwd;
    this.#options = options;
    this.#seat = new KernelSeat({
      start: options.startKernel,
      onDeath: (reason) => options.log.warn("kernel.died", { contextId: this.id, language: this.language, reason }),
    });
  }

  /** Cells that wait or run. */
  get queueLength(): number {
    return this.#queue.size;
  }

  /** Resolves when a kernel is ready. @throws SandboxError unavailable */
  async start(): Promise<void> {
    await this.#seat.live();
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

  /** Interrupts the cell that runs, if one does; those that wait come next. A cell that does not stop loses its kernel. */
  interrupt(): void {
    this.#stopCell?.({ type: "cancelled", by: "an interrupt of the context" });
  }

  /**
   * Another kernel in place of this one, at once; a cell that runs ends with an error.
   * @throws SandboxError unavailable, not_found when the context is removed meanwhile
   */
  async restart(): Promise<void> {
    await this.#seat.renew();
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
    let ending: Ending;
    try {
      using _turn = await this.#queue.lock(signal);
      const stop = Promise.withResolvers<Ending>();
      this.#stopCell = stop.resolve;
      ending = await this.#runCell(run, request, { signal, stop });
    } catch (error) {
      ending = this.#neverRan(run, error, signal);
    }
    run.finish(endWithoutProgram(ending, performance.now() - startedAt));
  }

  #neverRan(run: Run, error: unknown, signal: AbortSignal): Ending {
    if (signal.aborted) return { type: "cancelled", by: "the client, before the cell began" };
    const message = this.#seat.isClosed ? CONNECTION_CLOSED : error instanceof Error ? error.message : String(error);
    appendEvent(run, { type: "error", name: "UnexpectedEndOfExecution", value: message, traceback: "" });
    return { type: "lost", message };
  }

  async #runCell(run: Run, request: CellRequest, limits: CellLimits): Promise<Ending> {
    const { signal } = limits;
    const kernel = await withAbort(this.#preparedKernel(), signal);
    run.log.onDrain = () => kernel.resumeOutput();
    const done = kernel.execute(run.id, request.code, request.envs, {
      text: (stream, bytes) => {
        run.log.append(stream, bytes, { isUnit: true });
        return !run.log.isFull;
      },
      event: (event) => appendEvent(run, event),
    });
    using _timer =
      request.timeoutMs === undefined
        ? undefined
        : longTimeout(() => limits.stop.resolve({ type: "timeout", which: "wall" }), request.timeoutMs);
    const status = await this.#untilDone(run, kernel, done, limits);
    if (status === "died") return this.#diedUnder(run, kernel);
    return run.endReason ?? { type: "finished", status };
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

  /** Waits for the cell; when its client goes or it is stopped, it is interrupted, and its kernel killed if that does not help. */
  async #untilDone(
    run: Run,
    kernel: Kernel,
    done: Promise<CellStatus | "died">,
    { signal, stop }: CellLimits,
  ): Promise<CellStatus | "died"> {
    using _client = onAbort(signal, () => stop.resolve({ type: "cancelled", by: "the client" }));
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
    if (this.#seat.wasDropped(kernel)) {
      appendEvent(run, { type: "error", name: "UnexpectedEndOfExecution", value: CONNECTION_CLOSED, traceback: "" });
      return { type: "cancelled", by: "restart or removal of the context" };
    }
    const value = `Context was restarted: ${reason}`;
    appendEvent(run, { type: "error", name: "ContextRestarting", value, traceback: "" });
    if (run.endReason) return run.endReason;
    if (!status) return { type: "lost", message: "the shim of the kernel was killed" };
    return "code" in status ? { type: "exited", code: status.code } : { type: "signaled", ...status };
  }
}

/** What whoever asks for a context by an id that is none is told. */
export function contextNotFound(id: string): SandboxError {
  return new SandboxError("not_found", `Context ${id} not found`, { reason: "context_not_found" });
}

function appendEvent(run: Run, event: CellEvent): void {
  run.log.append("events", Buffer.from(JSON.stringify(event)), { isUnit: true });
}
