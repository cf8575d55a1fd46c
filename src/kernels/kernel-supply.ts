import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { Launcher } from "../host/launcher.ts";
import { withAbort } from "../lib/abort.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import type { Logger } from "../log.ts";
import { ForkServerSeat } from "./fork-server-seat.ts";
import { Kernel } from "./kernel.ts";
import type { KernelRegistry } from "./registry.ts";

export interface KernelSupplyOptions {
  language: string;
  registry: KernelRegistry;
  launcher: Launcher;
  exec: ExecContext;
  log: Logger;
  /** Where fork servers' kernels find their pipes. */
  pipesFolder: string;
  /** What fork servers load ahead of time. */
  preload: readonly string[];
  /** Kernels that are kept ready, where the language wants any. */
  spareKernels: number;
  /** Whether there is memory for what nobody needs yet. */
  hasFreeMemory: () => boolean;
  /** How often that is asked while there are spares; every 10 s unless given. */
  memoryLookMs?: number;
  /** How long spares stay that are only wanted after use; ten minutes unless given. */
  spareIdleMs?: number;
  /** How long a kernel that is ready may take to be set up; five seconds unless given. */
  answerMs?: number;
  /** From now on kernels have more loaded than those that were taken so far. */
  onLoaded: () => void;
}

/** A spare is started when the cell that its predecessor was taken for has had time to run. */
const REFILL_DELAY_MS = 20;
/** A language that wants spares after its use does not want them for ever. */
const SPARE_IDLE_MS = 600_000;
const MEMORY_LOOK_MS = 10_000;
/** A kernel answers in milliseconds. One that was stopped, which its user may do, never does. */
const ANSWER_MS = 5000;

/**
 * Where kernels of one language come from: a spare one that is ready, else one that the fork server forks, else one that is
 * started. What is taken never comes back.
 */
export class KernelSupply implements AsyncDisposable {
  readonly #options: KernelSupplyOptions;
  readonly #forkServer: ForkServerSeat;
  readonly #spares: Kernel[] = [];
  readonly #stop = new AbortController();
  #refill: Disposable | undefined;
  #refilling: Promise<void> | undefined;
  #expiry: Disposable | undefined;
  #memoryLook: NodeJS.Timeout | undefined;
  #entropy: string | undefined;

  constructor(options: KernelSupplyOptions) {
    this.#options = options;
    const { language, registry, launcher, pipesFolder, preload, log } = options;
    const program = (): ReturnType<KernelRegistry["forkServer"]> => registry.forkServer(language);
    const isSameStart = registry.isSameStart.bind(registry, language);
    const onLoaded = (): void => this.#noteLoaded();
    const seat = { language, program, isSameStart, onLoaded, launcher, pipesFolder, modules: preload, log };
    this.#forkServer = new ForkServerSeat(seat);
  }

  /**
   * A kernel that is ready, in `cwd` if it can be entered, else at home; with the variables as they are now. One that
   * guestd itself takes at its start is no use after which a spare is wanted.
   * @throws SandboxError unavailable; the signal's reason when that aborts first
   */
  async take(cwd: string, { signal, isAtStart }: { signal: AbortSignal; isAtStart: boolean }): Promise<Kernel> {
    const kernel = (await this.#takeSpare(cwd, signal)) ?? (await this.#make(cwd, signal));
    const { registry, language } = this.#options;
    if (!isAtStart || registry.sparePolicy(language) === "always") this.#scheduleRefill();
    return kernel;
  }

  /** All spares, and what is forked from now on, draw other random numbers than those of a copy of this machine. */
  reseed(entropy: string): void {
    this.#entropy = entropy;
    this.#forkServer.reseed(entropy);
    for (const spare of this.#spares) spare.reseed(entropy);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new SandboxError("unavailable", "guestd is ending"));
    this.#refill?.[Symbol.dispose]();
    this.#expiry?.[Symbol.dispose]();
    clearTimeout(this.#memoryLook);
    await this.#refilling;
    await this.#dropSpares();
    await this.#forkServer[Symbol.asyncDispose]();
  }

  async #takeSpare(cwd: string, signal: AbortSignal): Promise<Kernel | undefined> {
    for (let spare = this.#spares.shift(); spare; spare = this.#spares.shift()) {
      // oxlint-disable-next-line no-await-in-loop -- the next one is only touched when this one is no use
      if (await this.#settle(spare, cwd, signal)) return spare;
      void spare.close();
    }
    return undefined;
  }

  async #make(cwd: string, signal: AbortSignal): Promise<Kernel> {
    return (await this.#fork(cwd, signal)) ?? this.#start(cwd, signal);
  }

  /** As {@link #make}, for a kernel that nobody else knows of. */
  async #makeSpare(cwd: string, signal: AbortSignal): Promise<Kernel> {
    const entropy = this.#entropy;
    const kernel = await this.#make(cwd, signal);
    if (this.#entropy !== undefined && this.#entropy !== entropy) kernel.reseed(this.#entropy);
    return kernel;
  }

  /** Undefined where nothing can be forked: then the kernel is started. */
  async #fork(cwd: string, signal: AbortSignal): Promise<Kernel | undefined> {
    const { language, registry, launcher, exec, log } = this.#options;
    const user = exec.defaultUser;
    const env = registry.environment(language, user);
    const server = await this.#forkServer.current(user, env);
    if (!server) return undefined;
    try {
      const open: Parameters<typeof Kernel.start>[0]["open"] = (output) => server.fork(env, output);
      const kernel = await Kernel.start({
        open,
        user,
        env,
        byLine: registry.isByLine(language),
        clock: launcher.clock,
        signal,
      });
      if (await this.#settle(kernel, cwd, signal)) return kernel;
      await kernel.kill();
    } catch (error) {
      if (signal.aborted) throw error;
      const why = error instanceof Error ? error.message : String(error);
      log.info("kernel.not_forked", { language, error: why });
      this.#forkServer.replace(server, why);
    }
    return undefined;
  }

  /** Makes a kernel that is ready what a new one would be. Returns false when it is not fit for that. */
  async #settle(kernel: Kernel, cwd: string, signal: AbortSignal): Promise<boolean> {
    const { language, registry, launcher, exec, answerMs = ANSWER_MS } = this.#options;
    const user = exec.defaultUser;
    const env = registry.environment(language, user);
    if (kernel.hasExited || kernel.user.uid !== user.uid || !registry.isSameStart(language, kernel.env, env))
      return false;
    try {
      const adopted = kernel.adopt(exec.directoryOrHome(cwd, user), env);
      const answered = launcher.clock.withDeadline(adopted, answerMs, () => new Error("the kernel does not answer"));
      const adoption = await withAbort(answered, signal);
      return !adoption.isStale;
    } catch {
      return false; // it has ended, or does not answer
    }
  }

  async #start(cwd: string, signal: AbortSignal): Promise<Kernel> {
    const { language, registry, launcher, exec } = this.#options;
    const program = await registry.program(language, exec.directoryOrHome(cwd, exec.defaultUser));
    const { identity: user, env } = program;
    const open: Parameters<typeof Kernel.start>[0]["open"] = ({ sink, onChannel }) =>
      launcher.start(program, sink, { onChannel });
    return Kernel.start({ open, user, env, byLine: registry.isByLine(language), clock: launcher.clock, signal });
  }

  #scheduleRefill(): void {
    const policy = this.#options.registry.sparePolicy(this.#options.language);
    if (policy === "never" || this.#stop.signal.aborted) return;
    this.#refill?.[Symbol.dispose]();
    this.#refill = longTimeout(() => this.#beginFill(), REFILL_DELAY_MS);
  }

  /** Spares that are only wanted after use go when there was none for a while. */
  #scheduleExpiry(): void {
    const { registry, language, spareIdleMs = SPARE_IDLE_MS } = this.#options;
    this.#expiry?.[Symbol.dispose]();
    if (registry.sparePolicy(language) === "always") return;
    this.#expiry = longTimeout(() => void this.#dropSpares(), spareIdleMs);
  }

  #noteLoaded(): void {
    this.#options.onLoaded();
    void this.#dropSpares();
    this.#scheduleRefill();
  }

  #beginFill(): void {
    if (this.#forkServer.isLoading) return; // the fill comes when it has loaded
    this.#refilling ??= this.#fill().finally(() => (this.#refilling = undefined));
  }

  /** Never rejects: without a spare the next kernel takes longer, and says why it cannot be had. */
  async #fill(): Promise<void> {
    const { exec, spareKernels, hasFreeMemory, language, log } = this.#options;
    const { signal } = this.#stop;
    try {
      while (this.#spares.length < spareKernels && !signal.aborted && hasFreeMemory()) {
        // oxlint-disable-next-line no-await-in-loop -- one at a time: nobody waits for them
        const spare = await this.#makeSpare(exec.defaultUser.home, signal);
        this.#spares.push(spare);
        void spare.exited.then(() => this.#forget(spare));
        this.#watchMemory();
        this.#scheduleExpiry();
      }
    } catch (error) {
      log.debug("kernel.no_spare", { language, error: error instanceof Error ? error.message : String(error) });
    }
  }

  #forget(spare: Kernel): void {
    const index = this.#spares.indexOf(spare);
    if (index >= 0) this.#spares.splice(index, 1);
  }

  /** Spares make way when memory gets short. */
  #watchMemory(): void {
    this.#memoryLook ??= setTimeout(() => {
      this.#memoryLook = undefined;
      if (this.#spares.length === 0) return;
      if (this.#options.hasFreeMemory()) return this.#watchMemory();
      this.#options.log.info("kernel.spares_dropped", { language: this.#options.language });
      void this.#dropSpares();
    }, this.#options.memoryLookMs ?? MEMORY_LOOK_MS).unref();
  }

  async #dropSpares(): Promise<void> {
    await Promise.all(this.#spares.splice(0).map((spare) => spare.close()));
  }
}
