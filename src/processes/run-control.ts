import type { SignalName } from "../host/child.ts";
import { parseSignal } from "../host/process-group.ts";
import { SandboxError } from "../errors.ts";
import type { Freezer } from "../host/freezer.ts";
import type { Runs } from "../runs/runs.ts";
import type { Run, SignalReport, SignalScope } from "./types.ts";

/** After SIGKILL whoever asks next must find the process gone. */
const KILL_WAIT_MS = 1000;

/** Programs that are frozen by signals would be woken up by these, or be woken up in spite of them. */
const JOB_CONTROL: ReadonlySet<SignalName> = new Set(["SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"]);

/** What can be done to any run, whatever started it. */
export class RunControl {
  readonly #runs: Runs;
  readonly #freezer: Freezer;

  constructor(deps: { runs: Runs; freezer: Freezer }) {
    this.#runs = deps.runs;
    this.#freezer = deps.freezer;
  }

  /** @throws SandboxError not_found */
  get(id: string): Run {
    return this.#runs.get(id);
  }

  list(): Run[] {
    return this.#runs.list();
  }

  /**
   * Signals the program, its process group, or everything that descends from it, also after its end.
   * @throws SandboxError invalid_argument (no such signal), not_found (nobody there), failed_precondition (no program, or
   *   frozen: see {@link JOB_CONTROL})
   */
  async signal(
    run: Run,
    signal: string,
    options: { scope: SignalScope; waitMs?: number | undefined },
  ): Promise<SignalReport> {
    const name = parseSignal(signal);
    if (JOB_CONTROL.has(name) && this.#freezer.isBySignals) {
      throw new SandboxError("failed_precondition", `the programs are frozen, and ${name} would not reach them`, {
        hint: "send it after POST /unfreeze",
      });
    }
    const waitMs = options.waitMs ?? (name === "SIGKILL" ? KILL_WAIT_MS : 0);
    return run.signal(name, { scope: options.scope, waitMs });
  }

  /** Kills whatever is left of the run and forgets it. Resolves with who survived. */
  async remove(run: Run, by: string): Promise<readonly number[]> {
    return this.#runs.remove(run, by);
  }
}
