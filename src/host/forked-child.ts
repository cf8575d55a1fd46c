import type { OutputSink } from "./child.ts";
import type { ForkPipes } from "./fork-pipes.ts";
import { InputPipe } from "./input-pipe.ts";
import { type ByteSink, OutputPipe } from "./output-pipe.ts";
import { ProgramChild } from "./program-child.ts";
import { Shim } from "./shim/shim.ts";

/**
 * A program that a fork server has started on `pipes`, which it has opened. Its shim is the fork server's child `shimPid`: until
 * `gone` that number is nobody else's. Resolves once the shim has reported. Takes over the pipes.
 * @throws SandboxError internal when the shim ends before that
 */
export async function takeForkedChild(
  pipes: ForkPipes,
  shimPid: number,
  { sink, onChannel }: { sink: OutputSink; onChannel: ByteSink },
): Promise<ProgramChild> {
  const startedAt = performance.now();
  const { fds, targets } = pipes;
  pipes.handOver();
  const outputs = [
    new OutputPipe(fds.stdout, (bytes) => sink("stdout", bytes)),
    new OutputPipe(fds.stderr, (bytes) => sink("stderr", bytes)),
    new OutputPipe(fds.events, onChannel),
  ];
  const requests = new InputPipe(fds.requests, { maxQueuedBytes: Infinity });
  const shim = new Shim(fds.report);
  try {
    const pid = await shim.programPid;
    return new ProgramChild({ pid, shimPid, shim, input: undefined, requests, outputs, targets, startedAt });
  } catch (error) {
    requests.destroy();
    for (const output of outputs) output.destroy();
    throw error;
  }
}
