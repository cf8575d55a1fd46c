import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import { Turns } from "../lib/turns.ts";
import type { Runs } from "../runs/runs.ts";
import type { CachedLogin } from "./cached-login.ts";
import { startFailure } from "./start-failure.ts";
import type {
  DeadlineLimits,
  Environment,
  LogOverflow,
  Run,
  Selector,
  SignalName,
  SignalReport,
  SignalScope,
  TerminalSize,
} from "./types.ts";

/** A program as a caller asks for it. */
export interface StartRequest {
  cmd: string;
  args: readonly string[];
  envs: Environment;
  cwd: string | undefined;
  /** The default user unless given. */
  user: string | undefined;
  tag: string | undefined;
  /** False: standard input is /dev/null. */
  hasStdin: boolean;
  /** In a terminal of this size instead of on pipes. */
  terminal?: TerminalSize | undefined;
  /** The program is ended when one passes. */
  deadlines?: DeadlineLimits | undefined;
  overflow?: LogOverflow | undefined;
  /** Between SIGTERM and SIGKILL at that moment; 0 is SIGKILL at once. */
  graceMs?: number;
  /** Whoever aborts before the program was started, since programs are frozen, does not want it any more. */
  signal?: AbortSignal | undefined;
}

/** One takes a fraction of a millisecond; with more in a turn, what else was asked for would wait for all of them. */
const STARTS_PER_TURN = 1;
/** After SIGKILL a process must be gone before the caller looks for it. */
const KILL_WAIT_MS = 1000;

/** Programs on pipes: starting, finding, feeding and signalling them. */
export class Processes {
  readonly #runs: Runs;
  readonly #exec: ExecContext;
  readonly #cachedLogin: CachedLogin | undefined;
  readonly #turns = new Turns(STARTS_PER_TURN);

  constructor(deps: { runs: Runs; exec: ExecContext; cachedLogin?: CachedLogin | undefined }) {
    this.#runs = deps.runs;
    this.#exec = deps.exec;
    this.#cachedLogin = deps.cachedLogin;
  }

  /**
   * Resolves once the program runs. It keeps running then, whatever becomes of the caller.
   * @throws SandboxError invalid_argument, unauthenticated, permission_denied; a command that does not exist is exit code 127
   */
  async start(request: StartRequest): Promise<Run> {
    const { cmd, args, envs, cwd, hasStdin, tag, terminal, deadlines, overflow, graceMs = 0, signal } = request;
    await this.#turns.pass();
    const program = await this.#exec.program({
      argv: [cmd, ...args],
      envs,
      cwd,
      user: request.user,
      hasStdin,
      terminal,
    });
    const config = {
      kind: terminal ? ("terminal" as const) : ("command" as const),
      cmd,
      args,
      envs,
      cwd,
      tag,
      user: program.identity.name,
    };
    const started = this.#cachedLogin?.rewrite(program) ?? program;
    try {
      return await this.#runs.start({ config, program: started, deadlines, overflow, graceMs, signal });
    } catch (error) {
      throw startFailure(error, program);
    }
  }

  /** The live process that `selector` picks; of several with one tag, the newest. @throws SandboxError not_found */
  find(selector: Selector): Run {
    return this.#lookUp(selector, isLive);
  }

  /** As {@link find}, or one that has ended and is still kept. */
  findRetained(selector: Selector): Run {
    return this.#lookUp(selector, isProcess);
  }

  /** Live programs and terminals in order of their starts. */
  list(): Run[] {
    return this.#runs.list().filter(isLive);
  }

  /** Sends input; resolves when the program's pipe or terminal has taken it. */
  async sendInput(selector: Selector, kind: "stdin" | "pty", bytes: Uint8Array): Promise<void> {
    const run = this.find(selector);
    const isTerminal = run.config.kind === "terminal";
    if (isTerminal !== (kind === "pty")) throw wrongInput(isTerminal);
    await run.child?.writeInput(bytes);
  }

  /** Sets the size of a terminal. @throws SandboxError not_found, internal (as the contract has it) when the process has none */
  resize(selector: Selector, size: TerminalSize): void {
    const { child } = this.find(selector);
    if (!child?.terminal) {
      throw new SandboxError("internal", "error resizing tty: tty not assigned to process", { reason: "wrong_input" });
    }
    child.terminal.resize(size);
  }

  /** End of file for the program. Succeeds again when closed already. */
  closeStdin(selector: Selector): void {
    this.find(selector).child?.closeInput();
  }

  /**
   * Signals a process. After SIGKILL it is gone when this resolves, as far as the kernel lets it.
   * @throws SandboxError not_found when it has ended
   */
  async signal(selector: Selector, signal: SignalName, scope: SignalScope): Promise<SignalReport> {
    return this.find(selector).signal(signal, { scope, waitMs: signal === "SIGKILL" ? KILL_WAIT_MS : 0 });
  }

  #lookUp(selector: Selector, accepts: (run: Run) => boolean): Run {
    const run = "pid" in selector ? this.#runs.findByPid(selector.pid) : this.#runs.findByTag(selector.tag, accepts);
    if (run && accepts(run)) return run;
    throw notFound(selector);
  }
}

/** Whether there ever was a process: neither a cell nor what could not be started. */
function isProcess(run: Run): boolean {
  return run.child !== undefined;
}

function isLive(run: Run): boolean {
  return isProcess(run) && !run.end;
}

function notFound(selector: Selector): SandboxError {
  const which = "pid" in selector ? `pid ${selector.pid}` : `tag ${selector.tag}`;
  return new SandboxError("not_found", `process with ${which} not found`, { reason: "process_not_found" });
}

function wrongInput(isTerminal: boolean): SandboxError {
  const message = isTerminal
    ? "error writing to stdin: tty assigned to process — input should be written to the pty, not the stdin"
    : "error writing to tty: tty not assigned to process — input should be written to the stdin, not the tty";
  return new SandboxError("failed_precondition", message, { reason: "wrong_input" });
}
