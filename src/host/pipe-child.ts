import { closeSync, fstatSync, openSync } from "node:fs";
import { fromErrno } from "../errors.ts";
import type { OutputSink } from "./child.ts";
import { InputPipe } from "./input-pipe.ts";
import { changeOwner, pipe } from "./libc.ts";
import { type ByteSink, OutputPipe } from "./output-pipe.ts";
import { ProgramChild } from "./program-child.ts";
import { type ShimHost, type ShimOptions, startShim } from "./shim/shim.ts";

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
): Promise<ProgramChild> {
  const startedAt = performance.now();
  const { stdin, stdout, stderr, channel, theirs, targets } = openPipes(program, options.identity);
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
    return new ProgramChild({ pid, shimPid, shim, input, requests, outputs, targets, startedAt });
  } catch (error) {
    input?.destroy();
    requests?.destroy();
    for (const output of outputs) output.destroy();
    throw error;
  }
}

type PipeEnds = ReturnType<typeof pipe>;

interface Pipes {
  /** Undefined: standard input is /dev/null. */
  stdin: PipeEnds | undefined;
  stdout: PipeEnds;
  stderr: PipeEnds;
  channel: { requests: PipeEnds; events: PipeEnds } | undefined;
  /** The program's descriptors 0, 1, 2 … */
  theirs: readonly number[];
  /** What links in /proc to standard output and standard error point to. */
  targets: ReadonlySet<string>;
}

/** All pipes of a program, its ends belonging to `owner`; or none. @throws SandboxError resource_exhausted */
function openPipes(program: PipeProgram, owner: ShimOptions["identity"]): Pipes {
  const opened: number[] = [];
  const open = (): PipeEnds => {
    const ends = pipe();
    opened.push(ends.readEnd, ends.writeEnd);
    return ends;
  };
  try {
    const [stdout, stderr] = [open(), open()];
    const stdin = program.hasStdin ? open() : undefined;
    const channel = program.onChannel ? { requests: open(), events: open() } : undefined;
    const targets = new Set([stdout, stderr].map((ends) => `pipe:[${fstatSync(ends.readEnd).ino}]`));
    const owned = [stdout.writeEnd, stderr.writeEnd];
    if (channel) owned.push(channel.requests.readEnd, channel.events.writeEnd);
    if (owner) for (const fd of stdin ? [stdin.readEnd, ...owned] : owned) changeOwner(fd, owner.uid, owner.gid);
    // Last, so that nothing can fail after it.
    const theirs = [stdin?.readEnd ?? openSync("/dev/null", "r"), ...owned];
    return { stdin, stdout, stderr, channel, theirs, targets };
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw fromErrno(error, "cannot open the program's pipes");
  }
}
