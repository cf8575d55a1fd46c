import { SandboxError } from "../errors.ts";
import { type Author, committerVariables } from "./author.ts";
import type { GitProgram, RunGit } from "./git-program.ts";
import { literal } from "./pathspec.ts";
import { LOG_OPTIONS, readLog } from "./read-log.ts";
import { type FileChange, readNumstat } from "./read-numstat.ts";
import { readRefs, REF_FORMAT, type Ref } from "./read-refs.ts";
import type { Commit, Where } from "./types.ts";

export interface DiffRequest extends Where {
  /** The index against the last commit, instead of the files against the index. */
  isStaged?: boolean | undefined;
  /** A commit to compare the files, or `to`, with. */
  from?: string | undefined;
  to?: string | undefined;
  file?: string | undefined;
}

/** Changes as figures and as a patch. */
export interface Changes {
  files: readonly FileChange[];
  patch: string;
}

export type RefKind = "heads" | "tags";

export interface NewRef extends Where {
  kind: RefKind;
  name: string;
  /** What it points at; what is checked out unless given. */
  start?: string | undefined;
  /** Of a tag that is an object of its own. */
  message?: string | undefined;
  /** Of such a tag; as configured unless given. */
  author?: Author | undefined;
}

const DIFF = ["--no-color", "--no-ext-diff", "--no-textconv"];
const COMMAND: Readonly<Record<RefKind, string>> = { heads: "branch", tags: "tag" };

/** What has been committed, and what points at it. */
export class History {
  readonly #program: GitProgram;

  constructor(deps: { program: GitProgram }) {
    this.#program = deps.program;
  }

  /** @throws SandboxError not_a_repository, not_found */
  async diff({ isStaged, from, to, file, ...where }: DiffRequest): Promise<Changes> {
    const commits = [from, to].filter((commit) => commit !== undefined);
    const what = [...(isStaged ? ["--cached"] : []), ...commits, "--", ...(file === undefined ? [] : [literal(file)])];
    return this.#use(where, (run) => changes(run, ["diff"], what));
  }

  /** One commit with its changes. @throws SandboxError not_found */
  async show({ ref, ...where }: Where & { ref: string }): Promise<Changes & { commit: Commit }> {
    return this.#use(where, async (run) => {
      const [commit] = readLog(await run(["log", ...LOG_OPTIONS, "--max-count=1", ref, "--"]));
      if (!commit) throw new SandboxError("not_found", `${JSON.stringify(ref)} is no commit`, { reason: "not_found" });
      // By its own name: of an annotated tag git would show the tag too.
      return { commit, ...(await changes(run, ["show", "--no-show-signature", "--format="], [commit.commit, "--"])) };
    });
  }

  /** Branches, of remotes too, or tags. @throws SandboxError not_a_repository */
  async refs({ kind, ...where }: Where & { kind: RefKind }): Promise<Ref[]> {
    const patterns = kind === "heads" ? ["refs/heads", "refs/remotes"] : ["refs/tags"];
    return this.#use(where, async (run) => readRefs(await run(["for-each-ref", REF_FORMAT, ...patterns])));
  }

  /** Makes a branch or tag; nothing else is checked out. @throws SandboxError already_exists, not_found */
  async addRef({ kind, name, start, message, author, ...where }: NewRef): Promise<void> {
    const options = message === undefined ? [] : ["--annotate", `--message=${message}`];
    // A plain tag has nothing to sign, though the settings may want it of all.
    const unsigned = kind === "tags" && message === undefined ? ["--no-sign"] : [];
    const what = [...unsigned, ...options, name, ...(start === undefined ? [] : [start])];
    await this.#use(where, (run) => run([COMMAND[kind], ...what]), committerVariables(author));
  }

  /** @throws SandboxError not_found; failed_precondition for a branch that is in use, or unless `isForced` not merged */
  async removeRef({
    kind,
    name,
    isForced,
    ...where
  }: Where & { kind: RefKind; name: string; isForced: boolean }): Promise<void> {
    const options = ["--delete", ...(isForced && kind === "heads" ? ["--force"] : [])];
    await this.#use(where, (run) => run([COMMAND[kind], ...options, name]));
  }

  async #use<T>(
    { path, user, signal }: Where,
    work: (run: RunGit) => Promise<T>,
    env: Record<string, string> = {},
  ): Promise<T> {
    return this.#program.use({ user, signal, cwd: path, env }, work);
  }
}

/** `command` shows changes; `what` says which. */
export async function changes(run: RunGit, command: readonly string[], what: readonly string[]): Promise<Changes> {
  const files = readNumstat(await run([...command, ...DIFF, "--numstat", "-z", ...what]));
  return { files, patch: await run([...command, ...DIFF, "--patch", ...what]) };
}
