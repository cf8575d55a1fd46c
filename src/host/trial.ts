import type { ExitStatus } from "./child.ts";
import type { Launcher, ProgramSpec } from "./launcher.ts";
import { terminateTree } from "./process-group.ts";

/** What a program says about itself is short; of one that says more, the newest counts. */
const KEPT_BYTES = 64 * 1024;
const KILL_WAIT_MS = 1000;

/** What a program has printed on its standard output, or why it has not come to a good end. */
export type TrialOutcome = { printed: string } | { why: string };

/**
 * Starts a program to see what it says. One that takes longer than `limitMs`, of time in which programs run, is killed with all that it
 * has started. Never rejects: that it cannot be started is an outcome, too.
 */
export async function tryProgram(launcher: Launcher, program: ProgramSpec, limitMs: number): Promise<TrialOutcome> {
  const [stdout, stderr] = [new Tail(), new Tail()];
  try {
    using child = await launcher.start(program, (stream, bytes) => {
      (stream === "stderr" ? stderr : stdout).push(bytes);
      return true;
    });
    const limit = Promise.withResolvers<undefined>();
    using _timer = launcher.clock.timeout(() => limit.resolve(undefined), limitMs);
    const exit = await Promise.race([child.exit, limit.promise]);
    if (!exit) {
      await terminateTree(child, { signal: "SIGKILL", graceMs: 0, killWaitMs: KILL_WAIT_MS });
      return { why: `no end within ${limitMs / 1000} s` };
    }
    const failure = failureOf(exit.status);
    return failure === undefined ? { printed: stdout.text } : { why: lastLine(stderr.text) || failure };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** Undefined for a good end. */
function failureOf(status: ExitStatus | undefined): string | undefined {
  if (!status) return "its shim was killed";
  if ("signal" in status) return `ended by ${status.signal}`;
  return status.code === 0 ? undefined : `exit code ${status.code}`;
}

/** The newest {@link KEPT_BYTES} of a stream. */
class Tail {
  #bytes = Buffer.alloc(0);

  push(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]).subarray(-KEPT_BYTES);
  }

  get text(): string {
    return this.#bytes.toString("utf8").trim();
  }
}
