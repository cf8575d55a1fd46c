import { SandboxError } from "../errors.ts";
import { type Child, type ChildExit, decodeWaitStatus, UNKNOWN_USAGE } from "./child.ts";
import { drainAfterExit } from "./drain.ts";
import type { OutputPipe } from "./output-pipe.ts";
import { descendantsOf, outputHolders } from "./process-tree.ts";
import type { ProgramInput } from "./program-input.ts";
import type { Terminal } from "./pty.ts";
import type { Shim } from "./shim/shim.ts";

interface Parts {
  pid: number;
  shimPid: number;
  shim: Shim;
  input: ProgramInput | undefined;
  /** Where a program with a channel reads requests. */
  requests?: ProgramInput | undefined;
  outputs: readonly OutputPipe[];
  /** What links in /proc to the outputs point to. */
  targets: ReadonlySet<string>;
  terminal?: Terminal;
  startedAt: number;
}

/** A running program behind its shim, on pipes or in a terminal. */
export class ProgramChild implements Child {
  readonly pid: number;
  readonly shimPid: number;
  readonly exit: Promise<ChildExit>;
  readonly gone: Promise<void>;
  /** As soon as the program has ended: its output may not. */
  readonly ended: Promise<unknown>;
  readonly #parts: Parts;
  #hasEnded = false;

  constructor(parts: Parts) {
    this.pid = parts.pid;
    this.shimPid = parts.shimPid;
    this.#parts = parts;
    this.gone = parts.shim.gone;
    this.ended = parts.shim.ended;
    this.exit = this.#finish();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get terminal(): Terminal | undefined {
    return this.#parts.terminal;
  }

  async writeInput(bytes: Uint8Array): Promise<void> {
    await this.#requireInput().write(bytes);
  }

  closeInput(): void {
    if (this.#parts.terminal) {
      throw new SandboxError(
        "failed_precondition",
        "error closing stdin: cannot close stdin for PTY process — send Ctrl+D (0x04) instead",
        { reason: "wrong_input" },
      );
    }
    this.#parts.input?.close();
  }

  /** Sends bytes on descriptor 3 of a program that was given a channel; resolves when the pipe has taken them. */
  async writeRequest(bytes: Uint8Array): Promise<void> {
    await this.#parts.requests?.write(bytes);
  }

  /** No more of them: end of file on descriptor 3. */
  closeRequests(): void {
    this.#parts.requests?.close();
  }

  resumeOutput(): void {
    for (const output of this.#parts.outputs) output.resume();
  }

  [Symbol.dispose](): void {
    this.#parts.input?.destroy();
    this.#parts.requests?.destroy();
    for (const output of this.#parts.outputs) output.destroy();
    this.#parts.terminal?.release();
  }

  #requireInput(): ProgramInput {
    if (this.#parts.input) return this.#parts.input;
    throw new SandboxError("failed_precondition", "standard input was not asked for when the process was started", {
      reason: "stdin_closed",
    });
  }

  async #finish(): Promise<ChildExit> {
    const { shim, shimPid, input, requests, outputs, targets, terminal, startedAt } = this.#parts;
    const end = await shim.ended;
    this.#hasEnded = true;
    const wallMs = performance.now() - startedAt;
    input?.destroy();
    requests?.destroy();
    terminal?.release();
    this.resumeOutput();
    const isComplete = await drainAfterExit(outputs);
    return {
      status: end && decodeWaitStatus(end.status),
      usage: end ? { wallMs, ...end.usage } : { wallMs, ...UNKNOWN_USAGE },
      pipesHeldBy: isComplete ? [] : outputHolders(descendantsOf(shimPid), targets),
    };
  }
}
