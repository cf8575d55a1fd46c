import { SandboxError } from "../errors.ts";
import type { GitProgram, RunGit } from "./git-program.ts";
import { type Changes, changes } from "./history.ts";
import { literal } from "./pathspec.ts";
import { readStashes, STASH_OPTIONS, type Stash } from "./read-stashes.ts";
import type { Where } from "./types.ts";

export interface NewStash extends Where {
  message?: string | undefined;
  /** Files that git does not know yet too. */
  hasUntracked?: boolean | undefined;
  /** Everything unless given. */
  files?: readonly string[] | undefined;
}

/** One of the stashes. */
export interface WhichStash extends Where {
  index: number;
}

export interface ApplyRequest extends WhichStash {
  /** What was in the index goes there again, and not only into the files. */
  restoresIndex?: boolean | undefined;
}

/** All that git says, with exit code 0, when there is nothing to put aside. Else the message of the stash is in what it says. */
const NOTHING = "No local changes to save";

/** Changes that are put aside. They need no name of who makes them: git has one for them. */
export class Stashes {
  readonly #program: GitProgram;

  constructor(deps: { program: GitProgram }) {
    this.#program = deps.program;
  }

  /** Those that there are, the newest first. @throws SandboxError not_a_repository */
  async list(where: Where): Promise<Stash[]> {
    return this.#use(where, list);
  }

  /** Puts changes aside; resolves with what there is then. @throws SandboxError nothing_to_commit, not_found, lock */
  async push({ message, hasUntracked, files, ...where }: NewStash): Promise<Stash[]> {
    const options = [
      ...(hasUntracked ? ["--include-untracked"] : []),
      ...(message === undefined ? [] : [`--message=${message}`]),
    ];
    return this.#use(where, async (run) => {
      const said = await run(["stash", "push", ...options, ...(files ? ["--", ...files.map(literal)] : [])]);
      if (said.trim() === NOTHING) {
        throw new SandboxError("failed_precondition", "there are no changes to stash", { reason: "nothing_to_commit" });
      }
      return list(run);
    });
  }

  /** Brings changes back, and keeps them. @throws SandboxError not_found, conflict (which stays to be resolved), dirty, lock */
  async apply(request: ApplyRequest): Promise<Stash[]> {
    return this.#bringBack("apply", request);
  }

  /** Brings changes back, and forgets them unless that failed. @throws SandboxError as {@link apply} */
  async pop(request: ApplyRequest): Promise<Stash[]> {
    return this.#bringBack("pop", request);
  }

  /** Forgets changes. @throws SandboxError not_found */
  async drop({ index, ...where }: WhichStash): Promise<Stash[]> {
    return this.#use(where, async (run) => {
      await run(["stash", "drop", nameOf(index)]);
      return list(run);
    });
  }

  /** What has been put aside, new files too. @throws SandboxError not_found */
  async show({ index, ...where }: WhichStash): Promise<Changes> {
    return this.#use(where, async (run) => {
      // As commits, which keep their names when stashes are made meanwhile; the last of three parents has the new files.
      const line = await run(["rev-list", "--parents", "--max-count=1", nameOf(index), "--"]);
      const [stash = "", base = "", , untracked] = line.trim().split(" ");
      const tracked = await changes(run, ["diff"], [base, stash, "--"]);
      if (untracked === undefined) return tracked;
      const added = await changes(run, ["diff-tree", "--root", "-r", "--no-commit-id"], [untracked, "--"]);
      return { files: [...tracked.files, ...added.files], patch: tracked.patch + added.patch };
    });
  }

  async #bringBack(how: "apply" | "pop", { index, restoresIndex, ...where }: ApplyRequest): Promise<Stash[]> {
    return this.#use(where, async (run) => {
      await run(["stash", how, ...(restoresIndex ? ["--index"] : []), nameOf(index)]);
      return list(run);
    });
  }

  async #use<T>({ path: cwd, user, signal }: Where, work: (run: RunGit) => Promise<T>): Promise<T> {
    return this.#program.use({ user, signal, cwd }, work);
  }
}

async function list(run: RunGit): Promise<Stash[]> {
  return readStashes(await run(["stash", "list", ...STASH_OPTIONS]));
}

function nameOf(index: number): string {
  return `stash@{${index}}`;
}
