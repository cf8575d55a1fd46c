import type { Launcher, ProgramSpec } from "../../host/launcher.ts";
import { terminateTree } from "../../host/process-group.ts";
import type { ProgramChild } from "../../host/program-child.ts";
import { delay, onAbort } from "../../lib/abort.ts";

/** What a shell wrote to its descriptor 4, and what it did that cannot be left out. */
export interface ShellRun {
  bytes: Buffer;
  /** It left processes behind, printed something, or wrote more than is looked at. */
  fault: "processes" | "output" | "size" | undefined;
}

/** Far above any environment; only a trace can come near it. */
const MAX_BYTES = 16 * 1024 * 1024;
/** What a shell finds on its standard input; what it has not read itself, it shows. */
const INPUT = Buffer.from("guestd\n");
/** After a shell's end, how long what it started may take to follow. */
const LEAVE_MS = 100;

/** Runs a shell to its end, or to the signal's; nothing of it is left then. @throws SandboxError, and the signal's reason */
export async function runShell(launcher: Launcher, program: ProgramSpec, signal: AbortSignal): Promise<ShellRun> {
  signal.throwIfAborted();
  const chunks: Buffer[] = [];
  let size = 0;
  let hasPrinted = false;
  const onChannel = (bytes: Uint8Array): boolean => {
    size += bytes.length;
    if (size <= MAX_BYTES) chunks.push(Buffer.from(bytes));
    return true;
  };
  const child = await launcher.start(program, () => (hasPrinted = true), { onChannel, signal });
  using _descriptors = child;
  const isLeft = await runToEnd(child, program.hasStdin, signal);
  signal.throwIfAborted();
  const fault = isLeft ? "processes" : hasPrinted ? "output" : size > MAX_BYTES ? "size" : undefined;
  return { bytes: Buffer.concat(chunks), fault };
}

/** Resolves with whether the program's end left something to be killed. */
async function runToEnd(child: ProgramChild, hasStdin: boolean, signal: AbortSignal): Promise<boolean> {
  const stopped = Promise.withResolvers<void>();
  using _listener = onAbort(signal, () => stopped.resolve());
  if (hasStdin) void feed(child);
  await Promise.race([child.exit, stopped.promise]);
  const gone = child.gone.then(() => true);
  const isGone = await Promise.race([gone, stopped.promise, delay(LEAVE_MS)]);
  if (isGone !== true) await terminateTree(child, { signal: "SIGKILL", graceMs: 0, killWaitMs: 1000 });
  return isGone !== true;
}

async function feed(child: ProgramChild): Promise<void> {
  try {
    const written = child.writeInput(INPUT);
    child.closeInput();
    await written;
  } catch {
    // A shell that closed its input or ended first will not show it, which is all that is asked.
  }
}
