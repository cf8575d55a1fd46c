import { type Author, authorVariables } from "./author.ts";
import type { GitProgram } from "./git-program.ts";
import { lookAt } from "./look.ts";
import { literal } from "./pathspec.ts";
import type { Head, Where } from "./types.ts";

export interface AddRequest extends Where {
  /** Everything unless given. */
  files?: readonly string[] | undefined;
}

export interface CommitRequest extends Where {
  message: string;
  /** Also who commits; as the repository's settings say unless given. */
  author?: Author | undefined;
  /** Everything that git knows and that has changed. */
  isAll?: boolean | undefined;
  isAmending?: boolean | undefined;
  mayBeEmpty?: boolean | undefined;
}

export interface CheckoutRequest extends Where {
  /** A branch, tag or commit; of a new branch: its name. */
  ref: string;
  /** Makes the branch, at `start`. */
  isNew?: boolean | undefined;
  start?: string | undefined;
}

export interface ResetRequest extends Where {
  /** What the branch points at then; what it does now unless given. */
  ref?: string | undefined;
  mode: "soft" | "mixed" | "hard" | "merge" | "keep";
}

export interface RestoreRequest extends Where {
  files: readonly string[];
  /** The index, from the last commit or `source`, instead of the files. */
  isStaged?: boolean | undefined;
  source?: string | undefined;
}

/** Changing what is checked out, and committing it. */
export class WorkTree {
  readonly #program: GitProgram;

  constructor(deps: { program: GitProgram }) {
    this.#program = deps.program;
  }

  /** Takes changed, new and removed files into the index. @throws SandboxError not_found, lock */
  async add({ files, ...where }: AddRequest): Promise<Head> {
    await this.#run(where, ["add", "--all", "--", ...(files?.map(literal) ?? [":/"])]);
    return this.#head(where);
  }

  /** Commits what is in the index. @throws SandboxError nothing_to_commit, conflict, lock */
  async commit(request: CommitRequest): Promise<Head> {
    const { message, author, isAll, isAmending, mayBeEmpty, ...where } = request;
    const options = [
      ...(isAll ? ["--all"] : []),
      ...(isAmending ? ["--amend"] : []),
      ...(mayBeEmpty ? ["--allow-empty"] : []),
      // An amended commit keeps its author unless told otherwise.
      ...(author ? [`--author=${author.name} <${author.email}>`] : []),
    ];
    await this.#run(where, ["commit", ...options, `--message=${message}`], authorVariables(author));
    return this.#head(where);
  }

  /** Checks something else out. @throws SandboxError dirty, not_found */
  async checkout({ ref, isNew = false, start, ...where }: CheckoutRequest): Promise<Head> {
    const what = isNew ? ["-b", ref, ...(start === undefined ? [] : [start])] : [ref];
    await this.#run(where, ["checkout", ...what, "--"]);
    return this.#head(where);
  }

  /** Moves the branch, and with it index and files as `mode` says. @throws SandboxError not_found */
  async reset({ ref = "HEAD", mode, ...where }: ResetRequest): Promise<Head> {
    await this.#run(where, ["reset", `--${mode}`, ref, "--"]);
    return this.#head(where);
  }

  /** Puts files, or what the index has of them, back. @throws SandboxError not_found */
  async restore({ files, isStaged, source, ...where }: RestoreRequest): Promise<Head> {
    const options = [...(isStaged ? ["--staged"] : []), ...(source === undefined ? [] : [`--source=${source}`])];
    await this.#run(where, ["restore", ...options, "--", ...files.map(literal)]);
    return this.#head(where);
  }

  async #run({ path, user, signal }: Where, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
    await this.#program.use({ user, signal, cwd: path, env }, (run) => run(args));
  }

  async #head(where: Where): Promise<Head> {
    const { files: _files, ...head } = await lookAt(this.#program, where, ["--untracked-files=no"]);
    return head;
  }
}
