import { SandboxError } from "../errors.ts";
import type { KeyedLocks } from "../lib/keyed-locks.ts";
import { readAddress } from "./address.ts";
import type { GitProgram, RunGit } from "./git-program.ts";
import { readSettings, SETTINGS } from "./read-settings.ts";
import type { Where } from "./types.ts";

/** A server by the name that a repository has for it. */
export interface Remote {
  name: string;
  /** What is fetched from, as it is kept: it may hold a secret that somebody has put there. */
  url: string;
  /** What is pushed to. */
  pushUrls: readonly string[];
}

export interface NewRemote extends Where {
  name: string;
  url: string;
  /** Where pushes go unless to `url`. */
  pushUrl?: string | undefined;
}

export interface ChangedRemote extends Where {
  name: string;
  url?: string | undefined;
  pushUrl?: string | undefined;
  newName?: string | undefined;
}

const UNDO_MS = 10_000;

/** The servers that a repository knows. What is kept of an address is without credentials: those come with each call. */
export class Remotes {
  readonly #program: GitProgram;

  readonly #locks: KeyedLocks;

  constructor(deps: { program: GitProgram; locks: KeyedLocks }) {
    this.#program = deps.program;
    this.#locks = deps.locks;
  }

  /** @throws SandboxError not_a_repository */
  async list({ path: cwd, user, signal }: Where): Promise<Remote[]> {
    return this.#program.use({ user, signal, cwd }, (run) => list(run));
  }

  /** Resolves with all remotes. @throws SandboxError already_exists, invalid_argument */
  async add({ name, url, pushUrl, ...where }: NewRemote): Promise<Remote[]> {
    const [cleanUrl, cleanPushUrl] = [withoutCredentials(url), pushUrl && withoutCredentials(pushUrl)];
    return this.#change(where, async (run) => {
      if ((await list(run)).some((remote) => remote.name === name)) throw isThere(name);
      try {
        await run(["remote", "add", "--", name, cleanUrl]);
        if (cleanPushUrl) await run(["config", "--", keyOf(name, "pushurl"), cleanPushUrl]);
      } catch (error) {
        // Without the address for pushes it would push elsewhere. There may be none; why it has failed says more.
        const isOurs = !(error instanceof SandboxError && error.code === "already_exists");
        if (isOurs) await this.#undo(where, ["remote", "remove", "--", name]).catch(() => undefined);
        throw error;
      }
      return list(run);
    });
  }

  /**
   * Changes name and addresses, whichever are given, the name last: a call that was cut off can be repeated. Each address takes
   * the place of all that the remote has. @throws SandboxError not_found, already_exists, invalid_argument
   */
  async change({ name, url, pushUrl, newName, ...where }: ChangedRemote): Promise<Remote[]> {
    const [cleanUrl, cleanPushUrl] = [url && withoutCredentials(url), pushUrl && withoutCredentials(pushUrl)];
    return this.#change(where, async (run) => {
      const names = (await list(run)).map((remote) => remote.name);
      if (!names.includes(name)) throw noSuch(name);
      if (newName !== undefined) {
        if (newName !== name && names.includes(newName)) throw isThere(newName);
        await checkName(run, newName);
      }
      if (cleanUrl) await run(["config", "--replace-all", "--", keyOf(name, "url"), cleanUrl]);
      if (cleanPushUrl) await run(["config", "--replace-all", "--", keyOf(name, "pushurl"), cleanPushUrl]);
      if (newName !== undefined) await run(["remote", "rename", "--", name, newName]);
      return list(run);
    });
  }

  /** Forgets a remote, with the branches that were fetched from it. @throws SandboxError not_found */
  async remove({ name, ...where }: Where & { name: string }): Promise<Remote[]> {
    return this.#change(where, async (run) => {
      await run(["remote", "remove", "--", name]);
      return list(run);
    });
  }

  /** Also when the caller has gone away. */
  async #undo({ path: cwd, user }: Where, args: readonly string[]): Promise<void> {
    const use = { user, cwd, signal: AbortSignal.timeout(UNDO_MS) };
    await this.#program.use(use, (run) => run(args));
  }

  /** One at a time, and none beside a change of settings: git does not wait for the lock of their file. */
  async #change<T>({ path: cwd, user, signal }: Where, work: (run: RunGit) => Promise<T>): Promise<T> {
    using _turn = await this.#locks.lock(cwd, signal);
    return await this.#program.use({ user, signal, cwd }, work);
  }
}

function keyOf(name: string, kind: "url" | "pushurl"): string {
  return `remote.${name}.${kind}`;
}

function isThere(name: string): SandboxError {
  return new SandboxError("already_exists", `there is a remote ${JSON.stringify(name)} already`);
}

function noSuch(name: string): SandboxError {
  return new SandboxError("not_found", `there is no remote ${JSON.stringify(name)}`, { reason: "not_found" });
}

/** As git checks it, which it does before it renames. @throws SandboxError invalid_argument */
async function checkName(run: RunGit, name: string): Promise<void> {
  try {
    await run(["check-ref-format", `refs/remotes/${name}/test`]);
  } catch (error) {
    throw new SandboxError("invalid_argument", `${JSON.stringify(name)} is no name for a remote`, { cause: error });
  }
}

/** Whether a directory of this machine may be used is asked when it is. @throws SandboxError invalid_argument */
function withoutCredentials(address: string): string {
  return readAddress(address, { allowsFile: true }).url;
}

async function list(run: RunGit): Promise<Remote[]> {
  // Fails where there is no repository, which the list of settings does not.
  await run(["rev-parse", "--git-dir"]);
  const found = new Map<string, { urls: string[]; pushUrls: string[] }>();
  for (const { key, value } of readSettings(await run(SETTINGS))) {
    const [, name, kind] = /^remote\.(.*)\.(url|pushurl)$/s.exec(key) ?? [];
    if (name === undefined) continue;
    const remote = found.get(name) ?? { urls: [], pushUrls: [] };
    found.set(name, remote);
    (kind === "url" ? remote.urls : remote.pushUrls).push(value);
  }
  return [...found].map(([name, { urls, pushUrls }]) => ({
    name,
    url: urls[0] ?? "",
    pushUrls: pushUrls.length > 0 ? pushUrls : urls,
  }));
}
