import { fstatSync, openSync } from "node:fs";
import { SandboxError } from "../errors.ts";
import { type Child, type ChildExit, decodeWaitStatus, type OutputSink, UNKNOWN_USAGE } from "./child.ts";
import { drainAfterExit } from "./drain.ts";
import { InputPipe } from "./input-pipe.ts";
import { changeOwner, pipe } from "./libc.ts";
import { type ByteSink, OutputPipe } from "./output-pipe.ts";
import { descendantsOf, pipeHolders } from "./process-tree.ts";
import { type Shim, type ShimHost, type ShimOptions, startShim } from "./shim/shim.ts";

/** A program to start on pipes. */
export interface PipeProgram {
  argv: readonly string[];
  env: readonly string[];
  /** False: standard input is /dev/null, so that nothing waits for input that never comes. */
  hasStdin: boolean;
  /** Gives the program two pipes more: 3 to read requests from, 4 to write events to, whose bytes come here. */
  onChannel?: ByteSink | undefined;
}

/**
 * Starts a program with real pipes (not the socket pairs of `child_process`, which cannot be reopened through /dev/stderr)
 * that belong to the program's user. Resolves once it runs.
 * @throws SandboxError when it could not be started; a command that does not exist is no such error but exit code 127
 */
export async function startPipeChild(
  host: ShimHost,
  program: PipeProgram,
  options: ShimOptions,
  sink: OutputSink,
): Promise<PipeChild> {
  const startedAt = performance.now();
  const stdin = program.hasStdin ? pipe() : undefined;
  const [stdout, stderr] = [pipe(), pipe()];
  const channel = program.onChannel ? { requests: pipe(), events: pipe() } : undefined;
  const theirs = [stdin?.readEnd ?? openSync("/dev/null", "r"), stdout.writeEnd, stderr.writeEnd];
  if (channel) theirs.push(channel.requests.readEnd, channel.events.writeEnd);
  const owner = options.identity;
  if (owner) {
    for (const fd of stdin ? theirs : theirs.slice(1)) changeOwner(fd, owner.uid, owner.gid);
  }
  const inodes = new Set([stdout, stderr].map((ends) => fstatSync(ends.readEnd).ino));
  const input = stdin ? new InputPipe(stdin.writeEnd) : undefined;
  const outputs = [
    new OutputPipe(stdout.readEnd, (bytes) => sink("stdout", bytes)),
    new OutputPipe(stderr.readEnd, (bytes) => sink("stderr", bytes)),
  ];
  if (channel && program.onChannel) outputs.push(new OutputPipe(channel.events.readEnd, program.onChannel));
  const requests = channel ? new InputPipe(channel.requests.writeEnd, { maxQueuedBytes: Infinity }) : undefined;
  try {
    const { shim, shimPid } = startShim(host, { argv: program.argv, env: program.env, fds: theirs }, options);
    const pid = await shim.programPid;
    return new PipeChild({ pid, shimPid, shim, input, requests, outputs, inodes, startedAt });
  } catch (error) {
    input?.destroy();
    requests?.destroy();
    for (const output of outputs) output.destroy();
    throw error;
  }
}

interface Parts {
  pid: number;
  shimPid: number;
  shim: Shim;
  input: InputPipe | undefined;
  requests: InputPipe | undefined;
  outputs: readonly OutputPipe[];
  inodes: ReadonlySet<number>;
  startedAt: number;
}

/** A running program on pipes. */
export class PipeChild implements Child {
  readonly pid: number;
  readonly shimPid: number;
  readonly exit: Promise<ChildExit>;
  readonly gone: Promise<void>;
  readonly #parts: Parts;
  #hasEnded = false;

  constructor(parts: Parts) {
    this.pid = parts.pid;
    this.shimPid = parts.shimPid;
    this.#parts = parts;
    this.gone = parts.shim.gone;
    this.exit = this.#finish();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async writeInput(bytes: Uint8Array): Promise<void> {
    await this.#requireInput().write(bytes);
  }

  closeInput(): void {
    this.#parts.input?.close();
  }

  /** Sends bytes on descriptor 3 of a program that was given a channel; resolves when the pipe has taken them. */
  async writeRequest(bytes: Uint8Array): Promise<void> {
    await this.#parts.requests?.write(bytes);
  }

  resumeOutput(): void {
    for (const output of this.#parts.outputs) output.resume();
  }

  [Symbol.dispose](): void {
    this.#parts.input?.destroy();
    this.#parts.requests?.destroy();
    for (const output of this.#parts.outputs) output.destroy();
  }

  #requireInput(): InputPipe {
    if (this.#parts.input) return this.#parts.input;
    throw new SandboxError("failed_precondition", "standard input was not asked for when the process was started", {
      reason: "stdin_closed",
    });
  }

  async #finish(): Promise<ChildExit> {
    const { shim, shimPid, input, requests, outputs, inodes, startedAt } = this.#parts;
    const end = await shim.ended;
    this.#hasEnded = true;
    const wallMs = performance.now() - startedAt;
    input?.destroy();
    requests?.destroy();
    const isComplete = await drainAfterExit(outputs);
    return {
      status: end && decodeWaitStatus(end.status),
      usage: end ? { wallMs, ...end.usage } : { wallMs, ...UNKNOWN_USAGE },
      pipesHeldBy: isComplete ? [] : pipeHolders(descendantsOf(shimPid), inodes),
    };
  }
}
