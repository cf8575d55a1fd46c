import { SandboxError } from "../errors.ts";
import type { KeyedLocks } from "../lib/keyed-locks.ts";
import { isSecret, withoutUserinfo } from "./credentials.ts";
import type { GitProgram, RunGit } from "./git-program.ts";
import { runsProgram } from "./program-settings.ts";
import { listedKey, readSettings, type Scope, type Setting, SETTINGS } from "./read-settings.ts";
import type { Asking } from "./types.ts";

/** Whose settings. */
export interface ConfigurationPlace extends Asking {
  /** A repository; only the user and the machine have settings without one. */
  path?: string | undefined;
}

export interface ListRequest extends ConfigurationPlace {
  key?: string | undefined;
  scope?: Scope | undefined;
}

export interface KeyRequest extends ConfigurationPlace {
  key: string;
  scope: Exclude<Scope, "worktree">;
}

export interface SetRequest extends KeyRequest {
  value: string;
  /** One value more, instead of all that the key has there. */
  isAdded?: boolean | undefined;
}

/**
 * Git's settings, of machine, user and repository. Those that make git run a program are refused: they are set with a command, as
 * they are obeyed. simple-git sees neither key nor value, which stand behind --: it would take many for what they are not. A secret is kept by none. Two calls at once do not find each other's lock, which git does not wait for.
 */
export class Configuration {
  readonly #program: GitProgram;
  readonly #locks: KeyedLocks;

  constructor(deps: { program: GitProgram; locks: KeyedLocks }) {
    this.#program = deps.program;
    this.#locks = deps.locks;
  }

  /** Settings in git's order, of `key` and `scope` alone if given. @throws SandboxError not_found when `key` has none */
  async list(request: ListRequest): Promise<Setting[]> {
    checkPlace(request);
    const settings = await this.#use(request, (run) => list(run, request));
    if (request.key !== undefined && settings.length === 0) throw missing(request.key);
    return settings;
  }

  /** Resolves with all values of the key. @throws SandboxError permission_denied, invalid_argument, not_a_repository, lock */
  async set(request: SetRequest): Promise<Setting[]> {
    const { key, value, scope, isAdded } = request;
    if (isSecret(key, value)) {
      throw new SandboxError("invalid_argument", "a password or token in a setting would be kept in a file", {
        hint: "give credentials with each clone, fetch, pull and push; anything else can be set with a command: POST /v1/run",
      });
    }
    if (runsProgram(key, value)) {
      throw new SandboxError(
        "permission_denied",
        `${JSON.stringify(key)} makes git run programs, or leads it elsewhere`,
        {
          hint: "such a setting is for commands: POST /v1/run",
        },
      );
    }
    checkPlace(request);
    const how = isAdded ? "--add" : "--replace-all";
    return this.#change(request, async (run) => {
      await run(["config", `--${scope}`, how, "--", key, value]);
      return list(run, { ...request, scope: undefined });
    });
  }

  /** Takes all values away that the key has there; resolves with those it has elsewhere. @throws SandboxError not_found, lock */
  async unset(request: KeyRequest): Promise<Setting[]> {
    const { key, scope } = request;
    if (isSecret(key, "")) {
      throw new SandboxError("invalid_argument", "a password or token in a key would be in git's arguments", {
        hint: "take it out of the file that it stands in",
      });
    }
    checkPlace(request);
    return this.#change(request, async (run) => {
      if ((await list(run, request)).length === 0) throw missing(key);
      try {
        await run(["config", `--${scope}`, "--unset-all", "--", key]);
      } catch (error) {
        throw await elsewhere(run, request, error);
      }
      return list(run, { ...request, scope: undefined });
    });
  }

  async #change<T>(request: KeyRequest, work: (run: RunGit) => Promise<T>): Promise<T> {
    const { scope, path, user, signal } = request;
    using _turn = await this.#locks.lock((scope === "local" ? path : undefined) ?? `${scope} ${user}`, signal);
    return await this.#use(request, work);
  }

  async #use<T>({ path: cwd, user, signal }: ConfigurationPlace, work: (run: RunGit) => Promise<T>): Promise<T> {
    return this.#program.use({ user, signal, cwd }, work);
  }
}

async function list(run: RunGit, { path, key, scope }: Omit<ListRequest, "user" | "signal">): Promise<Setting[]> {
  // Only of a repository git says so when there is none.
  const settings = readSettings(await run(scope === "local" ? [...SETTINGS, "--local"] : SETTINGS));
  const listed = key === undefined ? undefined : listedKey(key);
  const isWanted = (setting: Setting): boolean =>
    (listed === undefined || setting.key === listed) &&
    (scope === undefined || setting.scope === scope) &&
    // The home directory is a repository with some users.
    (path !== undefined || setting.scope === "system" || setting.scope === "global");
  return settings.filter(isWanted);
}

function checkPlace({ path, scope }: Pick<ListRequest, "path" | "scope">): void {
  if (path !== undefined || scope === undefined || scope === "global" || scope === "system") return;
  throw new SandboxError("invalid_argument", "which repository's setting it is is not said", {
    hint: "give path, or a scope: global, system",
  });
}

/** Git says nothing when a scope has a key, but not in the file that it writes. Of several files it reads all. */
async function elsewhere(run: RunGit, request: KeyRequest, error: unknown): Promise<unknown> {
  const isSilent = error instanceof SandboxError && error.code === "failed_precondition" && error.reason === undefined;
  if (!isSilent || (await list(run, request)).length === 0) return error;
  return new SandboxError(
    "failed_precondition",
    `${JSON.stringify(request.key)} is set in another file of this scope`,
    {
      hint: "git config --show-origin --list names it: POST /v1/run",
      cause: error,
    },
  );
}

function missing(key: string): SandboxError {
  return new SandboxError("not_found", `${JSON.stringify(withoutUserinfo(key))} is not set`, { reason: "not_found" });
}
