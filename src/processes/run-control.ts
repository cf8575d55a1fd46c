import { parseSignal } from "../host/process-group.ts";
import type { Freezer } from "../host/freezer.ts";
import type { Runs } from "../runs/runs.ts";
import type { Run, SignalReport, SignalScope } from "./types.ts";

/** After SIGKILL whoever asks next must find the process gone. */
const KILL_WAIT_MS = 1000;

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
   * @throws SandboxError invalid_argument (no such signal), not_found (nobody there), failed_precondition (no program,
   *   or as {@link Freezer.checkSignal} has it)
   */
  async signal(
    run: Run,
    signal: string,
    options: { scope: SignalScope; waitMs?: number | undefined },
  ): Promise<SignalReport> {
    const name = parseSignal(signal);
    this.#freezer.checkSignal(name);
    const waitMs = options.waitMs ?? (name === "SIGKILL" ? KILL_WAIT_MS : 0);
    return run.signal(name, { scope: options.scope, waitMs });
  }

  /** Kills whatever is left of the run and forgets it. Resolves with who survived. */
  async remove(run: Run, by: string): Promise<readonly number[]> {
    return this.#runs.remove(run, by);
  }
}
