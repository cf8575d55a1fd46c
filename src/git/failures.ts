import { type ErrorCode, type ErrorReason, SandboxError } from "../errors.ts";
import { type Credentials, redacted } from "./credentials.ts";

interface Kind {
  pattern: RegExp;
  code: ErrorCode;
  reason?: ErrorReason;
  hint?: string;
  /** In place of git's words, where these are a page of advice on command lines. */
  words?: string;
}

/** What git says when it fails, in English; the first that fits is it, so what is a cause of others comes before them. */
const KINDS: readonly Kind[] = [
  { pattern: /No space left on device|Disk quota exceeded/, code: "resource_exhausted", reason: "no_space" },
  {
    pattern: /\.lock': File exists|could not lock .*: File exists|Another git process seems to be running/,
    code: "aborted",
    reason: "lock",
    hint: "another git works here, or one that was killed has left its lock",
  },
  {
    pattern: /[Pp]lease tell me who you are|identity unknown|empty ident name|auto-detection is disabled/,
    code: "failed_precondition",
    reason: "identity_missing",
    words: "it has no name and address of who commits",
    hint: "give author, or set user.name and user.email: POST /v1/git/config",
  },
  {
    pattern: /detected dubious ownership/,
    code: "permission_denied",
    hint: "name its owner with user, or add the directory to safe.directory",
  },
  {
    pattern:
      /not a git repository|not in a git directory|must be run in a work tree|only be used inside a git repository/i,
    code: "failed_precondition",
    reason: "not_a_repository",
  },
  {
    pattern:
      /Host key verification failed|HOST IDENTIFICATION HAS CHANGED|certificate problem|certificate verif|SSL: no alternative certificate/i,
    code: "permission_denied",
    reason: "host_key",
    hint: "who the server is could not be verified",
  },
  {
    pattern:
      /Authentication failed|could not read (?:Username|Password)|Permission denied \((?:publickey|password|keyboard)|returned error: 40[13]|Access denied/i,
    code: "permission_denied",
    reason: "auth_failed",
    hint: "give credentials for this server",
  },
  {
    pattern:
      /repository .* not found|returned error: 404|repository .* does not exist|Remote branch .* not found|couldn't find remote ref|(?:branch|tag) '.*' not found|does not appear to be a git repository|No such remote|unknown revision|as a valid (?:revision|object)|bad revision|did not match any|not a valid (?:object|ref)|log for '.*' only has|invalid reference|src refspec .* does not match|does not have any commits yet|remote error: access denied or repository not exported/i,
    code: "not_found",
    reason: "not_found",
  },
  {
    pattern:
      /Could not resolve (?:host|proxy)|Failed to connect|Couldn't connect|Connection (?:refused|timed out|reset|closed)|Network is unreachable|early EOF|RPC failed|hung up unexpectedly|unable to access '(?:https?|ftp)|Could not read from remote|Empty reply from server|unexpected disconnect/i,
    code: "unavailable",
    reason: "network",
  },
  {
    pattern:
      /would be overwritten|local changes|uncommitted changes|unstaged changes|contains modified|Dirty index|could not restore untracked files/i,
    code: "failed_precondition",
    reason: "dirty",
    hint: "commit, stash or restore what has changed first",
  },
  {
    pattern: /non-fast-forward|\(fetch first\)|Not possible to fast-forward|divergent branches|stale info/i,
    code: "failed_precondition",
    reason: "non_fast_forward",
  },
  {
    pattern: /CONFLICT \(|Merge conflict|unmerged (?:files|paths)|unresolved conflict|could not apply|needs merge/i,
    code: "failed_precondition",
    reason: "conflict",
    hint: "resolve what /v1/git/status lists as unmerged, add and commit it",
  },
  {
    pattern: /nothing to commit|nothing added to commit|no changes added to commit/,
    code: "failed_precondition",
    reason: "nothing_to_commit",
  },
  { pattern: /already exists/, code: "already_exists" },
  { pattern: /transport '.*' not allowed/, code: "permission_denied" },
  { pattern: /Permission denied|Operation not permitted|Read-only file system/, code: "permission_denied" },
];

/** What git did: its exit code and all that it said. */
export interface GitOutcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** The shell's exit code for a program that is not there. */
const NOT_FOUND = 127;
const MAX_MESSAGE_CHARACTERS = 4000;

/** The error of a git that has failed: of a kind to branch on, in git's own words, without secrets. */
export function gitFailure({ exitCode, stdout, stderr }: GitOutcome, credentials?: Credentials): SandboxError {
  if (exitCode === NOT_FOUND && stderr.startsWith("git:")) {
    return new SandboxError("unavailable", "there is no git here", { hint: "install git in the image" });
  }
  const said = `${stderr}\n${stdout}`;
  const kind = KINDS.find(({ pattern }) => pattern.test(said));
  const message = kind?.words || messageOf(stderr) || messageOf(stdout) || `it ended with exit code ${exitCode}`;
  const text = redacted(message, credentials).slice(0, MAX_MESSAGE_CHARACTERS);
  return new SandboxError(kind?.code ?? "failed_precondition", `git: ${text}`, {
    ...(kind?.reason && { reason: kind.reason }),
    ...(kind?.hint && { hint: kind.hint }),
  });
}

/** Without progress, each of which goes before a carriage return, and without advice on command lines; ssh ends its lines with both. */
function messageOf(output: string): string {
  const lines = output.split(/\r*\n/).map((line) => line.slice(line.lastIndexOf("\r") + 1).trimEnd());
  return lines.filter((line) => line !== "" && !line.startsWith("hint:") && !isProgress(line)).join("\n");
}

function isProgress(line: string): boolean {
  return /^(?:remote: )?[\w ]+: +\d+% \(\d+\/\d+\)/.test(line) || line.startsWith("Cloning into ");
}
