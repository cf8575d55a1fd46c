import { randomBytes } from "node:crypto";
import { SandboxError } from "../errors.ts";
import type { ExitStatus, OutputSink } from "../host/child.ts";
import type { ByteSink } from "../host/output-pipe.ts";
import type { ProgramChild } from "../host/program-child.ts";
import { terminateTree } from "../host/process-group.ts";
import type { Identity } from "../host/users.ts";
import { delay, withAbort } from "../lib/abort.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import { type Adoption, type CellSink, KernelWires } from "./kernel-wires.ts";
import { adoptRequest, type EnvironmentChange, executeRequest, helloRequest, reseedRequest } from "./protocol.ts";
import type { CellStatus, Environment, KernelIdentity } from "./types.ts";

const KILL_WAIT_MS = 2000;
/** An idle kernel ends by itself within some ten milliseconds after its requests. */
const CLOSE_GRACE_MS = 500;
/** A kernel that is not ready by then will not be. */
const START_MS = 60_000;

/** Why a kernel is no more. */
export interface KernelExit {
  status: ExitStatus | undefined;
  /** `signal SIGKILL`, `exit code 3`. */
  reason: string;
}

/** Where the process of a kernel writes to. */
export interface KernelOutput {
  sink: OutputSink;
  onChannel: ByteSink;
}

export interface KernelStart {
  /** Starts the process. */
  open: (output: KernelOutput) => Promise<ProgramChild>;
  user: Identity;
  /** The variables it is started with. */
  env: Environment;
  byLine: boolean;
  /** What it may take to start counts by this. */
  clock: ProgramClock;
  signal: AbortSignal;
}

/**
 * One live kernel process. It runs one cell at a time; whoever calls `execute` sees to that.
 * What the process prints between cells belongs to the next one.
 */
export class Kernel {
  readonly identity: KernelIdentity;
  readonly exited: Promise<KernelExit>;
  /** Who it runs as. */
  readonly user: Identity;
  readonly #wires: KernelWires;
  #env: Environment;
  readonly #startedAt = performance.now();
  #hasExited = false;

  private constructor(wires: KernelWires, identity: KernelIdentity, { user, env }: KernelStart) {
    this.#wires = wires;
    this.identity = identity;
    this.user = user;
    this.#env = env;
    this.exited = wires.child.exit.then(({ status }) => {
      this.#hasExited = true;
      wires.close();
      return { status, reason: reasonOf(status) };
    });
  }

  /**
   * Starts a kernel and resolves when it is ready for cells.
   * @throws SandboxError unavailable (kernel_unavailable) with its last words when it ends before that or takes too long
   * @throws the reason of `signal` when that aborts; the kernel is ended
   */
  static async start(options: KernelStart): Promise<Kernel> {
    options.signal.throwIfAborted();
    const wires = new KernelWires(options.byLine);
    const child = await options.open({
      sink: (stream, bytes) =>
        wires.take(
          stream === "stderr" ? "stderr" : "stdout",
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
        ),
      onChannel: (bytes) => wires.takeEvents(bytes),
    });
    wires.attach(child);
    const died = child.exit.then(({ status }) => {
      wires.close();
      throw notReady(wires, `the kernel ended at its start with ${reasonOf(status)}`);
    });
    died.catch(() => undefined);
    const tooLate = (): SandboxError => notReady(wires, `the kernel was not ready within ${START_MS / 1000} s`);
    try {
      // One that cannot be written to is dying: `died` says of what.
      await child.writeRequest(helloRequest(wires.nonce)).catch(() => undefined);
      const ready = options.clock.withDeadline(Promise.race([wires.ready.promise, died]), START_MS, tooLate);
      const identity = await withAbort(ready, options.signal);
      return new Kernel(wires, identity, options);
    } catch (error) {
      await terminateTree(child, { signal: "SIGTERM", graceMs: 0, killWaitMs: KILL_WAIT_MS });
      throw error;
    }
  }

  get pid(): number {
    return this.#wires.child.pid;
  }

  get shimPid(): number {
    return this.#wires.child.shimPid;
  }

  /** Time since it was ready. */
  get ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** The variables that it was last told of. */
  get env(): Environment {
    return this.#env;
  }

  /** Whether its process is no more, though perhaps not all of its output was taken. */
  get isEnding(): boolean {
    return this.#wires.child.hasEnded;
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** Runs a cell; resolves when it has ended and everything it said was delivered. */
  async execute(id: string, code: string, envs: Environment, sink: CellSink): Promise<CellStatus | "died"> {
    const request = executeRequest(id, code, envs);
    const cell = { id, sink, done: Promise.withResolvers<CellStatus | "died">() };
    this.#wires.cell = cell;
    try {
      await this.#wires.child.writeRequest(request);
    } catch {
      // The kernel is dying: its exit ends the cell.
    }
    if (this.#hasExited) cell.done.resolve("died");
    const status = await cell.done.promise;
    this.#wires.cell = undefined;
    // Its sink may have stopped the output just before its end, and resumes nothing any more.
    this.resumeOutput();
    return status;
  }

  /** Tells it what has changed of its variables since it was told last; what cells have set otherwise stays. */
  async adoptEnvironment(env: Environment): Promise<void> {
    const change = changeOf(this.#env, env);
    if (Object.keys(change).length > 0) await this.#adopt("", change);
    this.#env = env;
  }

  /** Makes it start over where and with what a new kernel would: directory and variables. */
  async adopt(cwd: string, env: Environment): Promise<Adoption> {
    const adoption = await this.#adopt(cwd, changeOf(this.#env, env));
    this.#env = env;
    return adoption;
  }

  /** Makes its random numbers other ones than those of a copy of this machine. Takes effect before the next cell. */
  reseed(entropy: string): void {
    // One that cannot be written to is dying.
    this.#wires.child.writeRequest(reseedRequest(entropy)).catch(() => undefined);
  }

  /** Changes directory (empty: not) and variables for good. */
  async #adopt(cwd: string, change: EnvironmentChange): Promise<Adoption> {
    const id = randomBytes(4).toString("hex");
    const adopted = Promise.withResolvers<Adoption>();
    this.#wires.adoptions.set(id, adopted);
    // One that cannot be written to is dying: `gone` says of what.
    await this.#wires.child.writeRequest(adoptRequest(id, cwd, change)).catch(() => undefined);
    const gone = this.exited.then(({ reason }) => {
      throw new SandboxError("unavailable", `the kernel ended with ${reason}`);
    });
    return Promise.race([adopted.promise, gone]).finally(() => this.#wires.adoptions.delete(id));
  }

  /** Asks the running cell to stop: SIGINT to the kernel's process group, which its children share. */
  interrupt(): void {
    if (this.#hasExited) return;
    try {
      process.kill(-this.pid, "SIGINT");
    } catch {
      // It ended in this moment: there is nothing to stop.
    }
  }

  /** Reads on after a sink said no. */
  resumeOutput(): void {
    this.#wires.child.resumeOutput();
  }

  /**
   * Ends the kernel and everything its cells have started. One that runs no cell is asked first: it clears away what it has
   * made. Takes half a second at most.
   */
  async close(): Promise<void> {
    if (!this.#wires.cell) {
      this.#wires.child.closeRequests();
      await Promise.race([this.exited, delay(CLOSE_GRACE_MS)]);
    }
    await this.kill();
  }

  /** Ends the kernel and everything its cells have started, at once. */
  async kill(): Promise<void> {
    await terminateTree(this.#wires.child, { signal: "SIGTERM", graceMs: 0, killWaitMs: KILL_WAIT_MS });
    await this.exited;
    this.#wires.child[Symbol.dispose]();
  }
}

function reasonOf(status: ExitStatus | undefined): string {
  if (!status) return "an unknown status";
  return "code" in status ? `exit code ${status.code}` : `signal ${status.signal}`;
}

function notReady(wires: KernelWires, why: string): SandboxError {
  const message = wires.lastWords === "" ? why : `${why}: ${wires.lastWords}`;
  return new SandboxError("unavailable", message, { reason: "kernel_unavailable" });
}

/** What turns one set of variables into another. */
function changeOf(before: Environment, after: Environment): EnvironmentChange {
  const removed = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
  const changed = Object.entries(after).filter(([name, value]) => before[name] !== value);
  return { ...Object.fromEntries(removed.map((name) => [name, undefined])), ...Object.fromEntries(changed) };
}
