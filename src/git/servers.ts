import { join } from "node:path";
import { SandboxError } from "../errors.ts";
import type { KeyedLocks } from "../lib/keyed-locks.ts";
import { bind } from "./address.ts";
import { type Author, authorVariables, committerVariables } from "./author.ts";
import { exists } from "./exists.ts";
import type { GitProgram, GitUse } from "./git-program.ts";
import { lookAt } from "./look.ts";
import type { Head, RemoteAsking } from "./types.ts";

/** A call about what a repository has in common with a server. */
export interface ServerRequest extends RemoteAsking {
  path: string;
  /** Name of a remote; `origin` unless given. */
  remote?: string | undefined;
}

export interface FetchRequest extends ServerRequest {
  /** A branch or tag; all branches unless given. */
  ref?: string | undefined;
  depth?: number | undefined;
  isPruning?: boolean | undefined;
  hasTags?: boolean | undefined;
}

export interface PullRequest extends ServerRequest {
  /** Of the remote; unless given the upstream of what is checked out, or of another remote than its the branch of the same name. */
  branch?: string | undefined;
  /** What to do when both sides have new commits: refuse, merge them or put ours on top. */
  strategy: "ff-only" | "merge" | "rebase";
  /** Of a merge commit; of a rebase only who commits. As configured unless given. */
  author?: Author | undefined;
}

export interface PushRequest extends ServerRequest {
  /** Of this repository, to the same name there; what is checked out unless given. */
  branch?: string | undefined;
  /** Replaces what is there if it is what was fetched last. */
  isForced?: boolean | undefined;
  setsUpstream?: boolean | undefined;
  hasTags?: boolean | undefined;
}

const DEFAULT_REMOTE = "origin";
/** For putting files back as they were. */
const UNDO_MS = 60_000;

/** Repositories and the servers they are shared through. */
export class Servers {
  readonly #program: GitProgram;
  readonly #locks: KeyedLocks;

  constructor(deps: { program: GitProgram; locks: KeyedLocks }) {
    this.#program = deps.program;
    this.#locks = deps.locks;
  }

  /** Fetches; files and branches stay as they are. @throws SandboxError */
  async fetch(request: FetchRequest): Promise<Head> {
    const { ref, depth, isPruning, hasTags } = request;
    const options = [
      ...(depth === undefined ? [] : [`--depth=${depth}`]),
      ...(isPruning ? ["--prune"] : []),
      ...(hasTags ? ["--tags"] : []),
    ];
    await this.#fetch(request, options, ref);
    return this.#head(request);
  }

  /**
   * Fetches, then brings what is checked out up to date; hooks run in the second part alone, which has no credentials.
   * @throws SandboxError non_fast_forward, dirty, identity_missing, conflict: a merge's stays for the caller to resolve, a rebase
   *   that does not come to its end is undone
   */
  async pull(request: PullRequest): Promise<Head> {
    const { strategy, author, path, user, signal } = request;
    const { remote, branch, from } = await this.#source(request);
    await this.#fetch({ ...request, remote }, [], branch);
    if (strategy === "rebase") await this.#rebase(request, from);
    else {
      const options = strategy === "merge" ? "--no-edit" : "--ff-only";
      const use = { user, signal, cwd: path, env: authorVariables(author) };
      await this.#program.use(use, (run) => run(["merge", options, from]));
    }
    return this.#head(request);
  }

  /** Whatever ends it in the middle, the caller included: nothing is left there that a call could not go on with. */
  async #rebase({ path: cwd, user, signal, author }: PullRequest, from: string): Promise<void> {
    const use = { user, signal, cwd, env: committerVariables(author) };
    const folder = await this.#program.use(use, (run) => run(["rev-parse", "--absolute-git-dir"]));
    using _turn = await this.#locks.lock(`rebase ${folder}`, signal); // else one undoes the other's
    await refuseSecondRebase(folder.replace(/\n$/, ""));
    try {
      await this.#program.use(use, (run) => run(["rebase", from]));
    } catch (error) {
      const undoing = { ...use, signal: AbortSignal.timeout(UNDO_MS) };
      // There may be none to undo; why it has failed says more.
      await this.#program.use(undoing, (run) => run(["rebase", "--abort"])).catch(() => undefined);
      throw error instanceof SandboxError && error.reason === "conflict" ? unlikeMerge(error) : error;
    }
  }

  /** Sends commits. @throws SandboxError non_fast_forward when the server has others */
  async push(request: PushRequest): Promise<Head> {
    const { branch, isForced, setsUpstream, hasTags, remote = DEFAULT_REMOTE } = request;
    const name = branch ?? checkedOut(await this.#head(request));
    const options = [
      ...(isForced ? ["--force-with-lease"] : []),
      ...(setsUpstream ? ["--set-upstream"] : []),
      ...(hasTags ? ["--tags"] : []),
    ];
    const use = await this.#use(request, "push");
    await this.#program.use(use, (run) => run(["push", "--progress", ...options, "--", remote, name]));
    return this.#head(request);
  }

  /** What a pull fetches, and what it takes of it then. @throws SandboxError failed_precondition when no branch is to be had */
  async #source(request: PullRequest): Promise<Pick<PullRequest, "remote" | "branch"> & { from: string }> {
    const { remote, branch } = request;
    if (branch !== undefined) return { remote, branch, from: "FETCH_HEAD" };
    const head = await this.#head(request);
    const tracked = head.upstream === null ? undefined : await this.#trackedRemote(request, head);
    if (remote === undefined || remote === tracked) return { remote: tracked, branch, from: "@{upstream}" };
    return { remote, branch: checkedOut(head), from: "FETCH_HEAD" };
  }

  /** The remote that a branch's upstream is of; undefined when that is a branch of this repository. */
  async #trackedRemote({ path: cwd, user, signal }: PullRequest, head: Head): Promise<string | undefined> {
    const args = ["for-each-ref", "--format=%(upstream:remotename)", `refs/heads/${checkedOut(head)}`];
    const name = (await this.#program.use({ cwd, user, signal }, (run) => run(args))).trimEnd();
    return name === "." ? undefined : name;
  }

  async #fetch(request: ServerRequest, options: readonly string[], ref: string | undefined): Promise<void> {
    const { remote = DEFAULT_REMOTE } = request;
    const refs = ref === undefined ? [] : [ref];
    const use = await this.#use(request, "fetch");
    await this.#program.use(use, (run) => run(["fetch", "--progress", ...options, "--", remote, ...refs]));
  }

  async #head({ path, user, signal }: ServerRequest): Promise<Head> {
    const { files: _files, ...head } = await lookAt(this.#program, { path, user, signal }, ["--untracked-files=no"]);
    return head;
  }

  async #use(request: ServerRequest, direction: "fetch" | "push"): Promise<GitUse> {
    const { path: cwd, user, signal, allowsFile = false, credentials, onProgress, remote = DEFAULT_REMOTE } = request;
    const use = { cwd, user, signal, allowsFile };
    if (!credentials) return { ...use, onProgress };
    const options = direction === "push" ? ["--push"] : [];
    const url = await this.#program.use(use, (run) => run(["remote", "get-url", ...options, "--", remote]));
    return { ...use, onProgress, credentials: bind(credentials, url.trim()) };
  }
}

/** @throws SandboxError failed_precondition when somebody is in the middle of a rebase, which is his to end */
async function refuseSecondRebase(folder: string): Promise<void> {
  const states = await Promise.all(["rebase-merge", "rebase-apply"].map((name) => exists(join(folder, name))));
  if (!states.includes(true)) return;
  throw new SandboxError("failed_precondition", "a rebase, or git am, is not finished here", {
    hint: "end it with a command, such as git rebase --continue or --abort: POST /v1/run",
  });
}

function unlikeMerge(error: SandboxError): SandboxError {
  return new SandboxError(error.code, error.message, {
    reason: "conflict",
    hint: "all is as it was: pull with strategy merge, or resolve it with commands: git rebase with POST /v1/run",
    cause: error,
  });
}

function checkedOut({ branch }: Head): string {
  if (branch !== null) return branch;
  throw new SandboxError("failed_precondition", "no branch is checked out", { hint: "name one with branch" });
}
