import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { Launcher } from "../host/launcher.ts";
import { withoutTrailing } from "../lib/without-trailing.ts";
import { type Address, readAddress } from "./address.ts";
import { exists } from "./exists.ts";
import type { GitProgram } from "./git-program.ts";
import { lookAt } from "./look.ts";
import { literal } from "./pathspec.ts";
import { LOG_OPTIONS, readLog } from "./read-log.ts";
import type { CloneRequest, Commit, Head, Status, Where } from "./types.ts";

/** Which commits to tell. */
export interface LogRequest extends Where {
  /** A branch, tag, commit or range; what is checked out unless given. */
  ref?: string | undefined;
  /** Only commits that have changed this. */
  file?: string | undefined;
  maxCount: number;
  skip: number;
}

/** Repositories: making them, and looking at them. */
export class Repositories {
  readonly #program: GitProgram;
  readonly #exec: ExecContext;
  readonly #launcher: Launcher;
  /** Directories that are being cloned into. */
  readonly #taken = new Set<string>();

  constructor(deps: { program: GitProgram; exec: ExecContext; launcher: Launcher }) {
    this.#program = deps.program;
    this.#exec = deps.exec;
    this.#launcher = deps.launcher;
  }

  /** Clones; when that fails or is cancelled, nothing is left of a directory that was not there before. @throws SandboxError */
  async clone(request: CloneRequest): Promise<Head & { path: string; url: string }> {
    const { user, signal, credentials, allowsFile = false, onProgress } = request;
    const address = readAddress(request.url, { credentials, allowsFile });
    const path = this.#target(request, address);
    using _claim = await this.#claim(path);
    const wasThere = await exists(path);
    const use = { user, signal, credentials: address.credentials, allowsFile, runsHooks: false, onProgress };
    try {
      const clone = ["clone", "--progress", ...cloneOptions(request), "--", address.url, path];
      await this.#program.use(use, (run) => run(clone));
      if (request.sparse?.length) {
        const patterns = ["sparse-checkout", "set", "--", ...request.sparse];
        await this.#program.use({ ...use, cwd: path }, (run) => run(patterns));
      }
      const { files: _files, ...head } = await lookAt(this.#program, { path, user, signal }, ["--untracked-files=no"]);
      return { path, url: address.url, ...head };
    } catch (error) {
      // Somebody else has made it meanwhile if git says that it is there.
      const isOurs = !wasThere && !(error instanceof SandboxError && error.code === "already_exists");
      if (isOurs) await this.#remove(path, user).catch(() => undefined); // why cloning has failed says more
      throw error;
    }
  }

  /** Makes an empty repository, with the directories above it; one that is there stays as it is. @throws SandboxError */
  async init(request: Where & { branch?: string | undefined; isBare?: boolean }): Promise<{ path: string }> {
    const { user, signal, branch, isBare = false } = request;
    const path = this.#exec.resolve(request.path, this.#exec.user(user));
    const options = [...(isBare ? ["--bare"] : []), ...(branch === undefined ? [] : [`--initial-branch=${branch}`])];
    await this.#program.use({ user, signal }, (run) => run(["init", ...options, "--", path]));
    return { path };
  }

  /** What has changed since the last commit. @throws SandboxError not_a_repository, not_found */
  async status(where: Where & { hasIgnored?: boolean }): Promise<Status> {
    return lookAt(this.#program, where, ["--untracked-files=all", ...(where.hasIgnored ? ["--ignored"] : [])]);
  }

  /** Commits, newest first; none before the first one. @throws SandboxError not_a_repository, not_found */
  async log({ path, user, signal, ref, file, maxCount, skip }: LogRequest): Promise<Commit[]> {
    return this.#program.use({ user, signal, cwd: path }, async (run) => {
      const bounds = [`--max-count=${maxCount}`, `--skip=${skip}`];
      const range = ref === undefined ? [] : ["--end-of-options", ref];
      const paths = file === undefined ? [] : [literal(file)];
      try {
        return readLog(await run(["log", ...LOG_OPTIONS, ...bounds, ...range, "--", ...paths]));
      } catch (error) {
        if (ref === undefined && /does not have any commits yet/.test(String(error))) return [];
        throw error;
      }
    });
  }

  #target({ path, user }: CloneRequest, { url }: Address): string {
    const identity = this.#exec.user(user);
    if (path !== undefined) return this.#exec.resolve(path, identity);
    const name = basename(withoutTrailing(url, "/\\").replace(/^.*:(?!\/)/, "")).replace(/\.git$/, "");
    if (name === "" || name === "." || name === "..") {
      throw new SandboxError("invalid_argument", "the address has no name for a directory", { hint: "give path" });
    }
    return join(this.#exec.resolve("", identity), name);
  }

  /** `path` for one clone. @throws SandboxError aborted while another has it, by whatever name of the directory above */
  async #claim(path: string): Promise<Disposable> {
    const parent = await realpath(dirname(path)).catch(() => dirname(path));
    const place = join(parent, basename(path));
    if (this.#taken.has(place)) {
      throw new SandboxError("aborted", `another clone goes to ${JSON.stringify(path)}`, { reason: "lock" });
    }
    this.#taken.add(place);
    return { [Symbol.dispose]: () => void this.#taken.delete(place) };
  }

  /** With the rights of the user: what stands at the path by now may be anything. */
  async #remove(path: string, user: string | undefined): Promise<void> {
    const argv = ["rm", "-rf", "--", path] as const;
    const program = await this.#exec.program({ argv, user, cwd: "/", hasStdin: false });
    using child = await this.#launcher.start(program, () => true);
    await child.exit;
  }
}

function cloneOptions({ branch, depth, filter, sparse, isRecursive }: CloneRequest): string[] {
  return [
    ...(branch === undefined ? [] : [`--branch=${branch}`]),
    ...(depth === undefined ? [] : [`--depth=${depth}`]),
    ...(filter === undefined ? [] : [`--filter=${filter}`]),
    ...(sparse?.length ? ["--sparse"] : []),
    ...(isRecursive ? ["--recurse-submodules"] : []),
    ...(isRecursive && depth !== undefined ? ["--shallow-submodules"] : []),
  ];
}
