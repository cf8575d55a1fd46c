import { SandboxError } from "../errors.ts";
import type { Launcher } from "../host/launcher.ts";
import { lastLine, tryProgram } from "../host/trial.ts";
import type { Identity } from "../host/users.ts";

/** An interpreter that will do. */
export interface Runtime {
  interpreter: string;
  version: string;
  engine: string;
}

export interface ProbeOptions {
  /** Commands or paths, the preferred one first. */
  interpreters: readonly string[];
  commandOf: (interpreter: string) => readonly string[];
  fix: string;
  launcher: Launcher;
  /** Who the kernel will be: what that account cannot run does not count. */
  user: Identity;
  env: Readonly<Record<string, string>>;
}

const PROBE_MS = 15_000;

/**
 * Asks all interpreters side by side and takes the one of the highest rank, of equals the first.
 * @throws SandboxError unavailable (kernel_unavailable) with what each of them said
 */
export async function probeInterpreters(options: ProbeOptions): Promise<Runtime> {
  const answers = await Promise.all(options.interpreters.map((interpreter) => probe(interpreter, options)));
  const usable = answers.filter((answer) => typeof answer !== "string");
  const [best] = usable.toSorted((a, b) => b.rank - a.rank);
  if (best) return best;
  throw new SandboxError("unavailable", answers.filter((answer) => typeof answer === "string").join("; "), {
    reason: "kernel_unavailable",
    hint: options.fix,
  });
}

/** A usable interpreter, or why it is none. */
async function probe(interpreter: string, options: ProbeOptions): Promise<(Runtime & { rank: number }) | string> {
  const { launcher, user, env } = options;
  const [command = "", ...args] = options.commandOf(interpreter);
  const program = { argv: [command, ...args] as const, env, cwd: "/", identity: user, hasStdin: false };
  const outcome = await tryProgram(launcher, program, PROBE_MS);
  if ("why" in outcome) return `${interpreter}: ${outcome.why}`;
  try {
    const { version, engine, rank } = JSON.parse(lastLine(outcome.printed)) as Record<string, unknown>;
    return { interpreter, version: String(version), engine: String(engine), rank: Number(rank ?? 0) };
  } catch (error) {
    return `${interpreter}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
