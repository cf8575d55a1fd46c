import type { Credentials } from "./credentials.ts";
import type { GitProgress } from "./progress.ts";

export type { Credentials } from "./credentials.ts";
export type { GitProgress } from "./progress.ts";

/** Who asks, and until when they wait. */
export interface Asking {
  /** The default user unless given. */
  user: string | undefined;
  /** Ends git with everything it has started. */
  signal: AbortSignal;
}

/** A repository by the directory that it, or a part of it, is checked out in. */
export interface Where extends Asking {
  path: string;
}

/** Of calls that talk to a server. */
export interface RemoteAsking extends Asking {
  credentials?: Credentials | undefined;
  /** The other side may be a directory of this machine. */
  allowsFile?: boolean | undefined;
  onProgress?: ((progress: GitProgress) => void) | undefined;
}

/** What is to be cloned, and how much of it. */
export interface CloneRequest extends RemoteAsking {
  url: string;
  /** The last part of `url` in the user's default directory unless given. */
  path?: string | undefined;
  branch?: string | undefined;
  depth?: number | undefined;
  /** Of `--filter`: `blob:none`. */
  filter?: string | undefined;
  /** Directories to check out; all unless given. */
  sparse?: readonly string[] | undefined;
  isRecursive?: boolean | undefined;
}

/** Where a repository stands. */
export interface Head {
  /** Null when detached. */
  branch: string | null;
  /** Null before the first commit. */
  commit: string | null;
  upstream: string | null;
  /** Commits that the upstream lacks; null without one. */
  ahead: number | null;
  /** Commits of the upstream that are lacking here. */
  behind: number | null;
}

/** One letter of `git status`: `.` is unchanged. */
export type ChangeLetter = "." | "M" | "T" | "A" | "D" | "R" | "C" | "U" | "?" | "!";

export interface ChangedFile {
  path: string;
  /** Of the index against the last commit. */
  index: ChangeLetter;
  /** Of the files against the index. */
  worktree: ChangeLetter;
  isUnmerged: boolean;
  /** What a renamed or copied file was. */
  from?: string;
}

export interface Status extends Head {
  files: readonly ChangedFile[];
}

/** A commit as the log tells it. */
export interface Commit {
  commit: string;
  parents: readonly string[];
  author: Signature;
  committer: Signature;
  /** First paragraph of the message. */
  subject: string;
  body: string;
  /** Branches and tags that point at it. */
  refs: readonly string[];
}

export interface Signature {
  name: string;
  email: string;
  /** ISO 8601 with the offset that it was made with. */
  date: string;
}
