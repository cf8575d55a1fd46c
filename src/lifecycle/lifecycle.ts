import { SandboxError } from "../errors.ts";
import type { Environment } from "../host/env.ts";
import { checkEnvironment } from "../host/env.ts";
import type { ExecContext } from "../host/exec-context.ts";
import { Mutex } from "../lib/mutex.ts";
import type { Logger } from "../log.ts";
import type { Access } from "./access.ts";

/** What a control plane tells the daemon when a sandbox starts or resumes. Absent fields change nothing. */
export interface InitRequest {
  accessToken?: string | undefined;
  /** Replaces all variables of an earlier call. */
  envVars?: Environment | undefined;
  /** When the caller meant it; what is older than the newest applied so far is not applied. */
  timestampNs?: bigint | undefined;
  defaultUser?: string | undefined;
  defaultWorkdir?: string | undefined;
}

/** Initialisation by a control plane: one call at a time, repeatable, the token once and for all. */
export class Lifecycle {
  readonly #access: Access;
  readonly #exec: ExecContext;
  readonly #log: Logger;
  readonly #onInitialized: () => void;
  readonly #mutex = new Mutex();
  #newestNs = -1n;

  constructor(deps: { access: Access; exec: ExecContext; log: Logger; onInitialized: () => void }) {
    this.#access = deps.access;
    this.#exec = deps.exec;
    this.#log = deps.log;
    this.#onInitialized = deps.onInitialized;
  }

  /** Variables of every program. */
  get globalEnv(): Environment {
    return this.#exec.globalEnv;
  }

  /**
   * Applies `request` unless it is stale; checks everything before changing anything.
   * @throws SandboxError unauthenticated (token), invalid_argument (variables), unavailable when `signal` aborts in the queue
   */
  async initialize(request: InitRequest, signal: AbortSignal): Promise<void> {
    using _lock = await this.#acquire(signal);
    this.#access.checkInitialize(request.accessToken);
    if (request.envVars) checkEnvironment(request.envVars);
    if (!this.#isFresh(request.timestampNs)) return;
    const before = this.#access.state;
    this.#access.initialize(request.accessToken);
    if (request.envVars) this.#exec.setGlobalEnv(request.envVars);
    if (request.defaultUser) this.#exec.setDefaultUser(request.defaultUser);
    if (request.defaultWorkdir) this.#exec.setDefaultDirectory(request.defaultWorkdir);
    // The sandbox may just have been resumed from a snapshot, as one of many.
    this.#onInitialized();
    this.#log.info("initialized", { accessBefore: before, access: this.#access.state });
  }

  async #acquire(signal: AbortSignal): Promise<Disposable> {
    try {
      return await this.#mutex.lock(signal);
    } catch (error) {
      throw new SandboxError("unavailable", "the caller went away while another /init was running", { cause: error });
    }
  }

  /** A call without a time is always fresh; one as old as the newest is a repetition and applied again. */
  #isFresh(timestampNs: bigint | undefined): boolean {
    if (timestampNs === undefined) return true;
    if (timestampNs < this.#newestNs) return false;
    this.#newestNs = timestampNs;
    return true;
  }
}
