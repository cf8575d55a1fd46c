import type { OutputSink } from "./child.ts";
import { OutputPipe } from "./output-pipe.ts";
import { ProgramChild } from "./program-child.ts";
import { PtyInput } from "./pty-input.ts";
import { openTerminal, type TerminalSize } from "./pty.ts";
import { type ShimHost, type ShimOptions, startShim } from "./shim/shim.ts";

/** A program to start in a terminal. */
export interface PtyProgram {
  argv: readonly string[];
  env: readonly string[];
  size: TerminalSize;
}

/**
 * Starts a program in a terminal of its own: leader of a session that the terminal controls, and the device its user's.
 * Resolves once it runs.
 * @throws SandboxError when it could not be started; a command that does not exist is no such error but exit code 127
 */
export async function startPtyChild(
  host: ShimHost,
  program: PtyProgram,
  options: ShimOptions,
  sink: OutputSink,
): Promise<ProgramChild> {
  const startedAt = performance.now();
  const { terminal, theirs } = await openTerminal(program.size);
  const output = new OutputPipe(terminal.master, (bytes) => sink("pty", bytes), { isTerminal: true });
  const input = new PtyInput(terminal.master);
  try {
    const fds = [theirs, theirs, theirs];
    const { shim, shimPid } = startShim(
      host,
      { argv: program.argv, env: program.env, fds },
      { ...options, isTerminal: true },
    );
    const pid = await shim.programPid;
    const targets = new Set([terminal.path]);
    return new ProgramChild({ pid, shimPid, shim, input, outputs: [output], targets, terminal, startedAt });
  } catch (error) {
    input.destroy();
    output.destroy();
    terminal.release();
    throw error;
  }
}
