import { basename, join } from "node:path";
import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { Launcher, ProgramSpec } from "../host/launcher.ts";
import { canReadAll, copyReadable } from "../host/permissions.ts";
import type { Identity } from "../host/users.ts";
import { type LanguageSpec, type Manifest, readManifests, type SparePolicy } from "./manifest.ts";
import { PreparedFolders } from "./prepared-folders.ts";
import { probeInterpreters, type Runtime } from "./probe.ts";
import type { Environment } from "./types.ts";

export interface RegistryOptions {
  /** Holds a folder per kernel. */
  folder: string;
  /** What `npm run kernels` has prepared, a folder per kernel. */
  preparedFolder: string;
  /** Copies of drivers that the kernel's user cannot read where they are. */
  stagingFolder: string;
  /** Languages to offer; all unless given. */
  enabled: readonly string[] | undefined;
  /** Variables of kernels that everything else may override: how this machine reaches the network. */
  networkEnv?: Environment;
  launcher: Launcher;
  exec: ExecContext;
}

/** A program that forks kernels, and what it needs to know. */
export interface ForkServerProgram {
  program: ProgramSpec;
  /** Each kernel's parent. */
  shimPath: string;
}

/** A language and whether it can be had here. */
export type LanguageState = { language: string; aliases: readonly string[] } & (
  | { isAvailable: true; version: string; engine: string; interpreter: string }
  | { isAvailable: false; why: string; fix: string }
);

interface Offer {
  manifest: Manifest;
  spec: LanguageSpec;
}

/** A failed look at what is installed is repeated after this long: somebody may have installed it. */
const RETRY_MS = 10_000;

/** Which languages there are, which of them work on this machine for the kernels' user, and how their kernels are started. */
export class KernelRegistry implements Disposable {
  readonly #options: RegistryOptions;
  readonly #offers: ReadonlyMap<string, Offer>;
  readonly #runtimes = new Map<string, { found: Promise<Runtime>; at: number }>();
  readonly #folders = new Map<string, string>();
  readonly #prepared: PreparedFolders;
  readonly #staged = new Set<string>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#prepared = new PreparedFolders(options.preparedFolder);
    const offers = readManifests(options.folder).flatMap((manifest) =>
      manifest.languages.map((spec) => ({ manifest, spec })),
    );
    const { enabled } = options;
    const isEnabled = ({ spec }: Offer): boolean =>
      enabled?.some((name) => [spec.name, ...spec.aliases].includes(name.toLowerCase())) ?? true;
    this.#offers = new Map(offers.filter(isEnabled).map((offer) => [offer.spec.name, offer]));
    const unknown = enabled?.find((name) => this.normalize(name) === undefined);
    if (unknown !== undefined) {
      throw new SandboxError("invalid_argument", `there is no kernel for language ${JSON.stringify(unknown)}`, {
        hint: `known: ${offers.map(({ spec }) => spec.name).join(", ")}`,
      });
    }
  }

  [Symbol.dispose](): void {
    this.#prepared[Symbol.dispose]();
  }

  /** All languages, in order of their kernels' names. */
  get languages(): string[] {
    return [...this.#offers.keys()];
  }

  /** Languages that get a context at start. */
  get defaults(): string[] {
    return [...this.#offers.values()].filter(({ spec }) => spec.isDefault).map(({ spec }) => spec.name);
  }

  /** The language that `name` means: any case, an alias; undefined when there is none. */
  normalize(name: string): string | undefined {
    const wanted = name.trim().toLowerCase();
    if (this.#offers.has(wanted)) return wanted;
    return this.#offers.values().find(({ spec }) => spec.aliases.includes(wanted))?.spec.name;
  }

  /** Whether text of that language's cells is counted by lines. */
  isByLine(language: string): boolean {
    return this.#offer(language).manifest.textUnits === "lines";
  }

  /** What is known of each language; looks for what nobody has asked for yet. */
  async states(): Promise<LanguageState[]> {
    return Promise.all([...this.#offers.values()].map((offer) => this.#state(offer)));
  }

  /**
   * The program of a kernel of `language` for the default user.
   * @throws SandboxError unavailable (kernel_unavailable) with the fix when the language does not work here
   */
  async program(language: string, cwd: string): Promise<ProgramSpec> {
    const { exec } = this.#options;
    const { manifest, spec } = this.#offer(language);
    const user = exec.defaultUser;
    const { interpreter } = await this.#runtime(manifest, user);
    const fill = this.#placeholders(manifest, user, interpreter);
    const [command = "", ...args] = [...manifest.command, ...spec.args].map(fill);
    const env = this.environment(language, user);
    return { argv: [command, ...args], env, cwd, identity: user, hasStdin: false };
  }

  /**
   * What forks kernels of `language` for the default user: undefined where the language has no such program.
   * @throws SandboxError unavailable (kernel_unavailable)
   */
  async forkServer(language: string): Promise<ForkServerProgram | undefined> {
    const { manifest } = this.#offer(language);
    if (manifest.forkServer.length === 0) return undefined;
    const user = this.#options.exec.defaultUser;
    const { interpreter } = await this.#runtime(manifest, user);
    const fill = this.#placeholders(manifest, user, interpreter);
    const [command = "", ...args] = manifest.forkServer.map(fill);
    const env = this.environment(language, user);
    const program = { argv: [command, ...args] as const, env, cwd: user.home, identity: user, hasStdin: false };
    return { program, shimPath: this.#shimFor(user) };
  }

  /** Whether a program of `language` that was started with the variables `before` can go on with `after`. */
  isSameStart(language: string, before: Environment, after: Environment): boolean {
    const { coldVariables } = this.#offer(language).manifest;
    const isCold = (name: string): boolean =>
      coldVariables.some((pattern) =>
        pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
      );
    return Object.keys({ ...before, ...after }).every((name) => before[name] === after[name] || !isCold(name));
  }

  /** When a kernel of `language` is kept ready. */
  sparePolicy(language: string): SparePolicy {
    return this.#offer(language).manifest.spares;
  }

  /** The variables of a kernel of `language` that runs as `user`: the manifest's on top of everybody's, on those of the machine. */
  environment(language: string, user: Identity): Environment {
    const { networkEnv, exec } = this.#options;
    return { ...networkEnv, ...exec.environment(user), ...this.#offer(language).manifest.env };
  }

  async #state({ manifest, spec }: Offer): Promise<LanguageState> {
    const { name: language, aliases } = spec;
    try {
      const { version, engine, interpreter } = await this.#runtime(manifest, this.#options.exec.defaultUser);
      return { language, aliases, isAvailable: true, version, engine, interpreter };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { language, aliases, isAvailable: false, why, fix: manifest.fix };
    }
  }

  #offer(language: string): Offer {
    const offer = this.#offers.get(language);
    if (offer) return offer;
    throw new SandboxError("not_found", `there is no kernel for language ${JSON.stringify(language)}`, {
      hint: `known: ${this.languages.join(", ")}`,
    });
  }

  /** The interpreter of a kernel, looked for once per user; a failure is looked at again after a while. */
  async #runtime(manifest: Manifest, user: Identity): Promise<Runtime> {
    const key = `${manifest.kernel} ${user.uid}`;
    const known = this.#runtimes.get(key);
    if (known) return known.found;
    const { launcher, exec } = this.#options;
    const prepared = this.#prepared.of(manifest.kernel);
    const found = probeInterpreters({
      interpreters: manifest.interpreters.map((text) =>
        text.replaceAll("{prepared}", prepared).replaceAll("{execPath}", process.execPath),
      ),
      commandOf: (interpreter) => manifest.probe.map(this.#placeholders(manifest, user, interpreter)),
      fix: manifest.fix,
      launcher,
      user,
      env: exec.environment(user),
    });
    this.#runtimes.set(key, { found, at: performance.now() });
    found.catch(() => setTimeout(() => this.#runtimes.delete(key), RETRY_MS).unref());
    return found;
  }

  #placeholders(manifest: Manifest, user: Identity, interpreter: string): (text: string) => string {
    const folder = this.#readableFolder(manifest, user);
    const prepared = this.#prepared.of(manifest.kernel);
    return (text) =>
      text.replaceAll("{interpreter}", interpreter).replaceAll("{folder}", folder).replaceAll("{prepared}", prepared);
  }

  /** The kernel's folder where `user` can read it; looked at once, so that a running kernel's stays where it is. */
  #readableFolder(manifest: Manifest, user: Identity): string {
    const key = `${manifest.kernel} ${user.uid}`;
    const folder = this.#folders.get(key) ?? this.#findFolder(manifest, user);
    this.#folders.set(key, folder);
    return folder;
  }

  /** The shim where `user` can run it. */
  #shimFor(user: Identity): string {
    const { launcher, stagingFolder } = this.#options;
    if (canReadAll(user, launcher.shimPath)) return launcher.shimPath;
    const copy = join(stagingFolder, basename(launcher.shimPath));
    if (!this.#staged.has(copy)) copyReadable(launcher.shimPath, copy);
    this.#staged.add(copy);
    return copy;
  }

  #findFolder(manifest: Manifest, user: Identity): string {
    if (canReadAll(user, manifest.folder)) return manifest.folder;
    const copy = join(this.#options.stagingFolder, manifest.kernel);
    if (!this.#staged.has(copy)) copyReadable(manifest.folder, copy);
    this.#staged.add(copy);
    return copy;
  }
}
