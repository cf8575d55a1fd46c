import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { Freezer } from "../host/freezer.ts";
import { parseSignal } from "../host/process-group.ts";
import type { Runs } from "../runs/runs.ts";
import type { DeadlineLimits, LogStart, Run, SignalScope, TerminalSize, Viewer } from "./types.ts";

/** A terminal as a caller asks for it. */
export interface OpenRequest {
  /** A command line for a shell; the user's login shell unless given. */
  commandLine: string | undefined;
  size: TerminalSize;
  cwd: string | undefined;
  user: string | undefined;
  tag: string | undefined;
  deadlines: DeadlineLimits;
  /** As {@link StartOptions} has it. */
  signal: AbortSignal;
}

/** What a viewer asks for besides typing. */
export type Control =
  | ({ type: "resize" } & TerminalSize)
  | { type: "signal"; signal: string; scope: SignalScope }
  | { type: "eof" };

/** What every terminal of ours can do, and an encoding that can write everything. */
const TERMINAL_ENV = { TERM: "xterm-256color", COLORTERM: "truecolor", LANG: "C.UTF-8" };
const GRACE_MS = 2000;
/** Shells of accounts that are not for logging in. */
const NO_SHELL = /\/(nologin|false)$/;

/** Opens terminals and lets any number of viewers take part in a run. */
export class Terminals {
  readonly #runs: Runs;
  readonly #exec: ExecContext;
  readonly #freezer: Freezer;

  constructor(deps: { runs: Runs; exec: ExecContext; freezer: Freezer }) {
    this.#freezer = deps.freezer;
    this.#runs = deps.runs;
    this.#exec = deps.exec;
  }

  /** @throws SandboxError invalid_argument, unauthenticated, unavailable (no terminals here) */
  async open(request: OpenRequest): Promise<Run> {
    const { commandLine, size, cwd, tag, deadlines, signal } = request;
    const { name, shell: ownShell } = this.#exec.user(request.user);
    const shell = NO_SHELL.test(ownShell) ? "/bin/sh" : ownShell;
    const args = commandLine === undefined ? ["-l"] : ["-c", commandLine];
    const envs = { ...TERMINAL_ENV, ...this.#exec.globalEnv };
    const program = await this.#exec.program({
      argv: [shell, ...args],
      envs,
      cwd,
      user: name,
      hasStdin: true,
      terminal: size,
    });
    const config = { kind: "terminal" as const, cmd: shell, args, envs: {}, cwd, user: name, tag };
    return this.#runs.start({ config, program, deadlines, graceMs: GRACE_MS, signal });
  }

  /** @throws SandboxError not_found */
  get(id: string): Run {
    return this.#runs.get(id);
  }

  /** Where a viewer that names no offset begins, and the offset that is. @throws SandboxError as reading there would */
  begin(run: Run, offset: number | undefined): { from: LogStart; offset: number } {
    const isTerminal = run.config.kind === "terminal";
    const first = run.log.firstSafe();
    const start = offset ?? (isTerminal ? first.offsets.pty : first.position);
    const from = isTerminal ? { offsets: { pty: start } } : { position: start };
    run.log.checkStart(from);
    return { from, offset: start };
  }

  /** Shows a viewer everything from `from` to the end of the run. Resolves then, or rejects when the viewer is gone. */
  async show(run: Run, from: LogStart, viewer: Viewer): Promise<void> {
    const { signal } = viewer;
    void this.#tellSizes(run, viewer);
    for await (const chunk of run.log.read({ from, follow: true, signal, ...streamsOf(run) })) {
      await viewer.output(chunk.bytes);
      run.markDelivered(chunk.position);
    }
    await run.waitForEnd(signal);
  }

  /** What a viewer types. @throws SandboxError not_found, failed_precondition, resource_exhausted */
  async type(run: Run, bytes: Uint8Array): Promise<void> {
    await liveChild(run).writeInput(bytes);
  }

  /** @throws SandboxError invalid_argument, not_found, failed_precondition */
  async control(run: Run, control: Control): Promise<void> {
    if (control.type === "resize") this.resize(run, control);
    else if (control.type === "eof") liveChild(run).closeInput();
    else {
      const signal = parseSignal(control.signal);
      this.#freezer.checkSignal(signal);
      await run.signal(signal, { scope: control.scope, waitMs: 0 });
    }
  }

  /** Sets the size for the program and all viewers: whoever resizes last decides. */
  resize(run: Run, { cols, rows }: TerminalSize): void {
    const { terminal } = liveChild(run);
    if (!terminal) {
      throw new SandboxError("failed_precondition", `run ${run.id} has no terminal`, { reason: "wrong_input" });
    }
    terminal.resize({ cols, rows });
  }

  async #tellSizes(run: Run, { resized, signal }: Viewer): Promise<void> {
    const terminal = run.child?.terminal;
    if (!terminal) return;
    try {
      while (!run.end) {
        await terminal.resized(signal);
        resized(terminal.size);
      }
    } catch {
      // the viewer is gone
    }
  }
}

function streamsOf(run: Run): { streams: readonly ("pty" | "stdout" | "stderr")[] } {
  return { streams: run.config.kind === "terminal" ? ["pty"] : ["stdout", "stderr"] };
}

function liveChild(run: Run): NonNullable<Run["child"]> {
  if (run.child && !run.end) return run.child;
  throw new SandboxError("not_found", `run ${run.id} has ended`, { reason: "process_not_found" });
}
