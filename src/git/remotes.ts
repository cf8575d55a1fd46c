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
      await run(["remote", "add", "--", name, cleanUrl]);
      if (cleanPushUrl) await run(["remote", "set-url", "--push", "--", name, cleanPushUrl]);
      return list(run);
    });
  }

  /** Changes name and addresses, whichever are given. @throws SandboxError not_found, already_exists, invalid_argument */
  async change({ name, url, pushUrl, newName, ...where }: ChangedRemote): Promise<Remote[]> {
    const [cleanUrl, cleanPushUrl] = [url && withoutCredentials(url), pushUrl && withoutCredentials(pushUrl)];
    return this.#change(where, async (run) => {
      // First what may fail.
      if (newName !== undefined) await run(["remote", "rename", "--", name, newName]);
      const named = newName ?? name;
      if (cleanUrl) await run(["remote", "set-url", "--", named, cleanUrl]);
      if (cleanPushUrl) await run(["remote", "set-url", "--push", "--", named, cleanPushUrl]);
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

  /** One at a time, and none beside a change of settings: git does not wait for the lock of their file. */
  async #change<T>({ path: cwd, user, signal }: Where, work: (run: RunGit) => Promise<T>): Promise<T> {
    using _turn = await this.#locks.lock(cwd, signal);
    return await this.#program.use({ user, signal, cwd }, work);
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
