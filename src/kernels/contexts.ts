import { createHash, randomBytes } from "node:crypto";
import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { Launcher } from "../host/launcher.ts";
import type { Logger } from "../log.ts";
import type { Runs } from "../runs/runs.ts";
import { CodeContext, contextNotFound } from "./context.ts";
import { IdleExpiry } from "./idle-expiry.ts";
import { KernelSupply } from "./kernel-supply.ts";
import type { KernelRegistry } from "./registry.ts";

const DEFAULT_LANGUAGE = "python";
/** The literal id that means the default context of {@link DEFAULT_LANGUAGE}. */
const DEFAULT_ALIAS = "default";

export interface ContextsOptions {
  registry: KernelRegistry;
  launcher: Launcher;
  runs: Runs;
  exec: ExecContext;
  log: Logger;
  /** Where fork servers' kernels find their pipes. */
  pipesFolder: string;
  /** What fork servers load ahead of time. */
  preload: readonly string[];
  /** Text and results of one cell that are kept, in bytes. */
  maxOutputBytes: number;
  /** Kernels of a language that are kept ready. */
  spareKernels: number;
  limits: ContextLimits;
  /** Whether there is memory for what nobody needs yet. */
  hasFreeMemory: () => boolean;
  /** How often that is asked while there are spares. */
  memoryLookMs?: number;
  /** How long spares stay that are only wanted after use. */
  spareIdleMs?: number;
  /** How long a kernel that is ready may take to be set up. */
  answerMs?: number;
}

/** How many contexts there can be, and for how long. */
export interface ContextLimits {
  maxContexts: number;
  /** One that ran no cell for so long is removed; 0: none is. */
  idleMs: number;
  /** What happens when a context is asked for while there is no free memory. */
  whenMemoryIsLow: "create" | "refuse" | "evict";
}

interface ContextRequest {
  language?: string | undefined;
  cwd?: string | undefined;
}

/**
 * All code contexts, in order of their creation, and which of them is the default one of its language. A default context is
 * created when first needed, once however many ask for it, and again after somebody removed it.
 */
export class Contexts implements AsyncDisposable {
  readonly #options: ContextsOptions;
  readonly #contexts = new Map<string, CodeContext>();
  /** The default context of each language, there or being created. */
  readonly #defaults = new Map<string, { context: CodeContext; created: Promise<CodeContext> }>();
  readonly #supplies = new Map<string, KernelSupply>();
  readonly #expiry: IdleExpiry;
  readonly #starting = new Set<CodeContext>();
  /** Ends of removed contexts' kernels. */
  readonly #ending = new Set<Promise<void>>();
  #areDefaultsReady: boolean;

  constructor(options: ContextsOptions) {
    this.#options = options;
    this.#areDefaultsReady = options.registry.defaults.length === 0;
    this.#expiry = new IdleExpiry({
      limitMs: options.limits.idleMs,
      clock: options.launcher.clock,
      contexts: () => this.#contexts.values(),
      expire: (context) => this.#expire(context, "it was idle"),
    });
  }

  /** Whether the contexts that every sandbox has were created, or found to be impossible here. */
  get areDefaultsReady(): boolean {
    return this.#areDefaultsReady;
  }

  list(): CodeContext[] {
    return [...this.#contexts.values()];
  }

  /** @throws SandboxError not_found */
  get(id: string): CodeContext {
    const context = this.#contexts.get(id);
    if (context) return context;
    throw contextNotFound(id);
  }

  /** The context to run a cell in: by id, else the default one of the language. */
  async pick(selector: { contextId?: string | undefined; language?: string | undefined }): Promise<CodeContext> {
    if (selector.contextId && selector.contextId !== DEFAULT_ALIAS) return this.get(selector.contextId);
    return this.default(selector.language ?? DEFAULT_LANGUAGE);
  }

  /**
   * The default context of a language, created if there is none; listed once `before` has settled, if given.
   * @throws SandboxError unavailable, not_found (language)
   */
  async default(name: string, before?: Promise<void>): Promise<CodeContext> {
    const known = this.#defaults.get(this.languageOf(name));
    if (known) return known.created;
    const context = this.#build({ language: name }, { isAtStart: before !== undefined });
    const created = this.#start(context, before);
    this.#defaults.set(context.language, { context, created });
    created.catch(() => this.#forgetDefault(context));
    return created;
  }

  /**
   * Creates a context whose kernel is ready. A directory that cannot be entered is no error: the kernel starts in its home.
   * @throws SandboxError not_found (no such language), unavailable (it does not work here), resource_exhausted (too many
   *   contexts, or too little memory)
   */
  async create(request: ContextRequest): Promise<CodeContext> {
    this.#makeRoom();
    return this.#start(this.#build(request, { isAtStart: false }));
  }

  /** After a resume: kernels there are and will be draw other random numbers than those of another copy of this machine. */
  reseed(): void {
    // A copy may have the same random bytes, but it has its own time.
    const seed = [randomBytes(32).toString("hex"), Date.now(), process.hrtime.bigint(), performance.now()].join();
    const entropy = createHash("sha256").update(seed).digest("hex");
    for (const supply of this.#supplies.values()) supply.reseed(entropy);
    for (const context of [...this.#contexts.values(), ...this.#starting]) context.reseed(entropy);
  }

  /** Takes a context off the list at once; its cells end with an error, and its kernel soon. @throws SandboxError not_found */
  remove(id: string): void {
    const context = this.get(id);
    this.#contexts.delete(id);
    this.#forgetDefault(context);
    const ended = context.dispose().catch((error: unknown) => this.#noteFailure(context, error));
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }

  /** Creates the default contexts side by side, the usual language's first in the list; one that cannot be is said in the log. */
  async createDefaults(): Promise<void> {
    const { registry, log } = this.#options;
    const [first, others] = [registry.defaults.filter(isUsual), registry.defaults.filter((name) => !isUsual(name))];
    const create = async (language: string, before: Promise<void>): Promise<void> => {
      try {
        await this.default(language, before);
      } catch (error) {
        const { message, hint } = error instanceof SandboxError ? error : { message: String(error), hint: undefined };
        log.warn("kernel.unavailable", { language, error: message, hint });
      }
      await before;
    };
    let created = Promise.resolve();
    for (const language of [...first, ...others]) created = create(language, created);
    await created;
    this.#areDefaultsReady = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#expiry[Symbol.dispose]();
    for (const { id } of this.list()) this.remove(id);
    // Side by side: each takes its time to end kernels.
    const supplies = [...this.#supplies.values()].map((supply) => supply[Symbol.asyncDispose]());
    await Promise.all([...this.#ending, ...supplies]);
  }

  /** The proper name of a language; of an unknown one the name it was asked by. */
  languageOf(name: string | undefined): string {
    const wanted = name || DEFAULT_LANGUAGE;
    return this.#options.registry.normalize(wanted) ?? wanted;
  }

  #forgetDefault(context: CodeContext): void {
    if (this.#isDefault(context)) this.#defaults.delete(context.language);
  }

  #build(request: ContextRequest, { isAtStart }: { isAtStart: boolean }): CodeContext {
    const { registry, launcher, exec, runs, log, maxOutputBytes } = this.#options;
    const language = this.languageOf(request.language);
    const user = exec.defaultUser;
    const cwd = request.cwd || exec.defaultDirectory || user.home;
    return new CodeContext({
      language,
      cwd,
      user: user.name,
      runs,
      log,
      clock: launcher.clock,
      maxOutputBytes,
      environment: (account) => registry.environment(language, account),
      startKernel: (signal) => this.#supply(language).take(cwd, { signal, isAtStart }),
    });
  }

  /** Lists a context once it can be used. */
  async #start(context: CodeContext, before?: Promise<void>): Promise<CodeContext> {
    const { maxContexts } = this.#options.limits;
    if (this.#contexts.size + this.#starting.size >= maxContexts) throw tooManyContexts(maxContexts);
    this.#starting.add(context);
    try {
      await context.start();
      await before;
    } finally {
      this.#starting.delete(context);
    }
    this.#contexts.set(context.id, context);
    this.#expiry.schedule();
    return context;
  }

  /** Sees to it that one more context does not take the last memory, if that is wanted. */
  #makeRoom(): void {
    const { limits, hasFreeMemory } = this.#options;
    if (limits.whenMemoryIsLow === "create" || hasFreeMemory()) return;
    const idle = this.list().filter((context) => context.queueLength === 0 && !this.#isDefault(context));
    const [longest] = idle.toSorted((a, b) => b.idleMs - a.idleMs);
    if (limits.whenMemoryIsLow === "refuse" || !longest) throw lowMemory();
    this.#expire(longest, "memory is short");
  }

  #isDefault(context: CodeContext): boolean {
    return this.#defaults.get(context.language)?.context === context;
  }

  /** Contexts that nobody has used yet get a kernel that has everything loaded. */
  #refresh(language: string): void {
    for (const context of this.#contexts.values()) if (context.language === language) void context.refresh();
  }

  #expire({ id, language }: CodeContext, reason: string): void {
    this.#options.log.info("context.removed", { contextId: id, language, reason });
    this.remove(id);
  }

  #noteFailure({ id, language }: CodeContext, error: unknown): void {
    this.#options.log.error("context.remove_failed", { contextId: id, language, error: String(error) });
  }

  #supply(language: string): KernelSupply {
    const known = this.#supplies.get(language);
    if (known) return known;
    const onLoaded = (): void => this.#refresh(language);
    const supply = new KernelSupply({ ...this.#options, language, onLoaded });
    this.#supplies.set(language, supply);
    return supply;
  }
}

function isUsual(language: string): boolean {
  return language === DEFAULT_LANGUAGE;
}

function tooManyContexts(maxContexts: number): SandboxError {
  return new SandboxError("resource_exhausted", `there are as many code contexts as may be: ${maxContexts}`, {
    reason: "too_many_contexts",
    hint: "remove one with DELETE /contexts/{id}, or start guestd with a higher --max-contexts",
  });
}

function lowMemory(): SandboxError {
  return new SandboxError("resource_exhausted", "the machine has too little memory left for another code context", {
    reason: "low_memory",
    hint: "remove one with DELETE /contexts/{id}, or start guestd with --low-memory-contexts create",
  });
}
