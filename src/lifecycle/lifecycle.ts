import { SandboxError } from "../errors.ts";
import type { Environment } from "../host/env.ts";
import { checkEnvironment } from "../host/env.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FreezeAudit } from "../host/frozen-trees.ts";
import { Mutex } from "../lib/mutex.ts";
import type { Logger } from "../log.ts";
import type { Access } from "./access.ts";
import type { Machine, MachineRequest } from "./machine.ts";
import type { MetadataService } from "./metadata-service.ts";

/** What a control plane tells the daemon when a sandbox starts or resumes. Absent fields change nothing. */
export interface InitRequest {
  accessToken?: string | undefined;
  /** Replaces all variables of an earlier call. */
  envVars?: Environment | undefined;
  /** When the caller meant it; what is older than the newest applied so far is not applied. */
  timestampNs?: bigint | undefined;
  defaultUser?: string | undefined;
  defaultWorkdir?: string | undefined;
  machine?: MachineRequest | undefined;
  /** The platform's name for this life of the sandbox, for the log. */
  lifecycleId?: string | undefined;
  /** When it was received, on our monotonic clock. */
  heardAtMs: number;
}

export interface LifecycleDeps {
  access: Access;
  exec: ExecContext;
  machine: Machine;
  /** Knows the hash that the first token must have; without one the first caller wins. */
  metadata?: MetadataService | undefined;
  log: Logger;
  /** A call was applied: the sandbox may just have been resumed from a snapshot, as one of many. */
  onInitialized: () => void;
  /** Lets what was frozen before the snapshot go on; undefined when nothing was. */
  thaw: () => Promise<FreezeAudit | undefined>;
}

/** Initialisation by a control plane: repeatable, the token once and for all; one call at a time changes the machine. */
export class Lifecycle {
  readonly #deps: LifecycleDeps;
  readonly #machineTurn = new Mutex();
  #newestNs = -1n;
  #isInitialized = false;

  constructor(deps: LifecycleDeps) {
    this.#deps = deps;
  }

  /** Variables of every program. */
  get globalEnv(): Environment {
    return this.#deps.exec.globalEnv;
  }

  /** Whether a call was ever successful. */
  get isInitialized(): boolean {
    return this.#isInitialized;
  }

  /**
   * Applies `request` unless it is stale; checks everything before changing anything. Whoever may call it thaws what is frozen,
   * whatever becomes of the rest.
   * @returns what the thaw has found, if anything was frozen
   * @throws SandboxError unauthenticated (token), invalid_argument (variables, certificates), unavailable when the metadata
   * service gives no answer; unavailable (`signal` has aborted in the queue) or as {@link Machine.apply} has it, when all else is applied
   */
  async initialize(request: InitRequest, signal: AbortSignal): Promise<FreezeAudit | undefined> {
    const hash = await this.#firstTokenHash(signal);
    this.#deps.access.checkInitialize(request.accessToken, hash);
    // Nothing of this waits for another call: that one may be mounting volumes, which waits for the thaw.
    let changes: MachineRequest | undefined;
    let audit: FreezeAudit | undefined;
    try {
      changes = this.#apply(request);
    } finally {
      audit = await this.#deps.thaw();
    }
    // Last, since it may take long and fail: a call that is repeated finds the rest as it wants it.
    if (changes) await this.#changeMachine(changes, signal);
    this.#isInitialized = true;
    return audit;
  }

  /** All but what takes long: that is returned, unless the request is stale. */
  #apply(request: InitRequest): MachineRequest | undefined {
    const { access, exec, machine, log, onInitialized } = this.#deps;
    const { timestampNs, lifecycleId } = request;
    if (request.envVars) checkEnvironment(request.envVars);
    const changes = machine.check(request.machine ?? {});
    if (!this.#isFresh(timestampNs)) return undefined;
    if (timestampNs !== undefined) machine.followClock({ timeNs: timestampNs, heardAtMs: request.heardAtMs });
    const before = access.state;
    access.initialize(request.accessToken);
    if (request.envVars) exec.setGlobalEnv(request.envVars);
    if (request.defaultUser) exec.setDefaultUser(request.defaultUser);
    if (request.defaultWorkdir) exec.setDefaultDirectory(request.defaultWorkdir);
    onInitialized();
    log.info("initialized", { accessBefore: before, access: access.state, lifecycleId });
    return changes;
  }

  /** The metadata service is only asked about a first token: nothing changes or clears one. */
  async #firstTokenHash(signal: AbortSignal): Promise<string | undefined> {
    const { access, metadata } = this.#deps;
    return access.state !== "token" && metadata ? (await metadata.read(signal)).accessTokenHash : undefined;
  }

  async #changeMachine(changes: MachineRequest, signal: AbortSignal): Promise<void> {
    let turn: Disposable;
    try {
      turn = await this.#machineTurn.lock(signal);
    } catch (error) {
      throw new SandboxError("unavailable", "the caller went away while another /init was running", { cause: error });
    }
    using _turn = turn;
    await this.#deps.machine.apply(changes);
  }

  /** A call without a time is always fresh; one as old as the newest is a repetition and applied again. */
  #isFresh(timestampNs: bigint | undefined): boolean {
    if (timestampNs === undefined) return true;
    if (timestampNs < this.#newestNs) return false;
    this.#newestNs = timestampNs;
    return true;
  }
}
