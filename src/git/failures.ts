import { type ErrorCode, type ErrorReason, SandboxError } from "../errors.ts";
import { type Credentials, redacted } from "./credentials.ts";

const CONFLICT_HINT = "resolve what /v1/git/status lists as unmerged, add and commit it";

interface Kind {
  /** In a line in which git, or one of its programs, says what went wrong; names in it are left out. */
  words?: RegExp;
  /** A line that stands for itself. */
  line?: RegExp;
  code: ErrorCode;
  reason?: ErrorReason;
  hint?: string;
  /** In place of git's words, where these are a page of advice on command lines. */
  message?: string;
}

/** Begins a line about a file. */
const CONFLICT = /^CONFLICT \(/;

/** What git says when it fails, in English; the first that fits is it, so what is a cause of others comes before them. */
const KINDS: readonly Kind[] = [
  {
    line: CONFLICT,
    code: "failed_precondition",
    reason: "conflict",
    hint: CONFLICT_HINT,
  },
  { words: /No space left on device|Disk quota exceeded/, code: "resource_exhausted", reason: "no_space" },
  {
    words: /Unable to create '': File exists|could not lock .*: File exists/,
    line: /^Another git process seems to be running/,
    code: "aborted",
    reason: "lock",
    hint: "another git works here, or one that was killed has left its lock",
  },
  {
    words: /empty ident name|auto-detection is disabled/,
    line: /^\*\*\* Please tell me who you are|^(?:Author|Committer) identity unknown/,
    code: "failed_precondition",
    reason: "identity_missing",
    message: "it has no name and address of who commits",
    hint: "give author, or set user.name and user.email: POST /v1/git/config",
  },
  {
    words: /detected dubious ownership/,
    code: "permission_denied",
    hint: "name its owner with user, or add the directory to safe.directory",
  },
  {
    words:
      /not a git repository|not in a git directory|must be run in a work tree|only be used inside a git repository/i,
    line: /^warning: Not a git repository/,
    code: "failed_precondition",
    reason: "not_a_repository",
  },
  {
    words: /Host key verification failed|certificate problem|certificate verif|SSL: no alternative certificate/i,
    line: /^Host key verification failed|^@ +WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: "permission_denied",
    reason: "host_key",
    hint: "who the server is could not be verified",
  },
  {
    words: /Authentication failed|could not read (?:Username|Password)|returned error: 40[13]|Access denied/i,
    line: /^(?:\S+: )?Permission denied \((?:publickey|password|keyboard)/,
    code: "permission_denied",
    reason: "auth_failed",
    hint: "give credentials for this server",
  },
  {
    words:
      /repository (?:.* )?not found|returned error: 404|repository .* does not exist|Remote branch .* not found|couldn't find remote ref|(?:branch|tag) '' not found|does not appear to be a git repository|No such remote|unknown revision|as a valid (?:revision|object)|bad revision|did not match any|not a valid (?:object|ref)|log for '' only has|invalid reference|src refspec .* does not match|does not have any commits yet|remote error: access denied or repository not exported/i,
    code: "not_found",
    reason: "not_found",
  },
  {
    words:
      /Could not resolve (?:host|proxy)|Failed to connect|Couldn't connect|Connection (?:refused|timed out|reset|closed)|Network is unreachable|early EOF|RPC failed|hung up unexpectedly|unable to access '(?:https?|ftps?):'|Could not read from remote|Empty reply from server|unexpected disconnect/i,
    code: "unavailable",
    reason: "network",
  },
  {
    words:
      /would be overwritten|local changes|uncommitted changes|unstaged changes|contains modified|Dirty index|could not restore untracked files/i,
    code: "failed_precondition",
    reason: "dirty",
    hint: "commit, stash or restore what has changed first",
  },
  {
    words: /non-fast-forward|\(fetch first\)|Not possible to fast-forward|divergent branches|stale info/i,
    code: "failed_precondition",
    reason: "non_fast_forward",
  },
  {
    words: /unmerged (?:files|paths)|unresolved conflict|could not apply|resolve your current index/i,
    line: /^\S.*: needs merge$/,
    code: "failed_precondition",
    reason: "conflict",
    hint: CONFLICT_HINT,
  },
  {
    line: /^(?:nothing to commit|nothing added to commit|no changes added to commit)/,
    code: "failed_precondition",
    reason: "nothing_to_commit",
  },
  { words: /already exists/, code: "already_exists" },
  { words: /transport '' not allowed/, code: "permission_denied" },
  { words: /Permission denied|Operation not permitted|Read-only file system/, code: "permission_denied" },
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
/** Of what was said first, and of what was said last: servers and hooks can say any amount. */
const MAX_SAID_CHARACTERS = 64 * 1024;
const MAX_LINE_CHARACTERS = 2000;

/** Lines of git's own, of ssh and of `fetch-pack`; what a server or a hook says, and commits' titles, are in others. */
const DIAGNOSTIC = /^(?:fatal|error|ssh|[a-z]+-pack): |^ ! \[/i;
/** Names in git's sentences, of which the protocol of an address tells something, and the title of a commit. */
const NAMES = /'((?:https?|ftps?):)?[^']*'|(?<=could not apply [\da-f]+\.\.\.).*/gi;

/** The error of a git that has failed: of a kind to branch on, in git's own words, without secrets. */
export function gitFailure({ exitCode, stdout, stderr }: GitOutcome, credentials?: Credentials): SandboxError {
  if (exitCode === NOT_FOUND && stderr.startsWith("git:")) {
    return new SandboxError("unavailable", "there is no git here", { hint: "install git in the image" });
  }
  const [errors, output] = [linesOf(stderr, credentials), linesOf(stdout, credentials)];
  const kind = kindOf([...errors, ...output]);
  // In the middle of a rebase git tells of the commit on one, of the files on the other.
  const said = messageOf(errors) === "" ? output : [...errors, ...output.filter((line) => CONFLICT.test(line))];
  const message = kind?.message || messageOf(said) || `it ended with exit code ${exitCode}`;
  return new SandboxError(kind?.code ?? "failed_precondition", `git: ${message.slice(0, MAX_MESSAGE_CHARACTERS)}`, {
    ...(kind?.reason && { reason: kind.reason }),
    ...(kind?.hint && { hint: kind.hint }),
  });
}

/**
 * Lines without secrets, without progress, each of which goes before a carriage return (ssh ends its lines with both), and
 * none of them long: what others have a say in is bounded before it is searched.
 */
function linesOf(output: string, credentials: Credentials | undefined): string[] {
  return bounded(output).flatMap((part) =>
    redacted(part, credentials)
      .split("\n")
      .map((line) => line.trimEnd())
      .map((line) => line.slice(line.lastIndexOf("\r") + 1).slice(0, MAX_LINE_CHARACTERS))
      .filter((line) => line !== "" && !isProgress(line)),
  );
}

/** All of it, or how it begins and ends, in whole lines: half an address would hide that a secret is in it. */
function bounded(output: string): string[] {
  if (output.length <= 2 * MAX_SAID_CHARACTERS) return [output];
  const [first, last] = [output.slice(0, MAX_SAID_CHARACTERS), output.slice(-MAX_SAID_CHARACTERS)];
  return [first.slice(0, first.lastIndexOf("\n") + 1), last.slice(last.indexOf("\n") + 1 || last.length)];
}

function kindOf(lines: readonly string[]): Kind | undefined {
  const diagnostics = lines.filter((line) => DIAGNOSTIC.test(line)).map((line) => line.replaceAll(NAMES, nameless));
  return KINDS.find(
    ({ words, line: whole }) =>
      (words && diagnostics.some((line) => words.test(line))) || (whole && lines.some((line) => whole.test(line))),
  );
}

function nameless(name: string, protocol = ""): string {
  return name.startsWith("'") ? `'${protocol}'` : "";
}

/** Without advice on command lines. */
function messageOf(lines: readonly string[]): string {
  return lines.filter((line) => !line.startsWith("hint:")).join("\n");
}

function isProgress(line: string): boolean {
  return /^(?:remote: )?[\w ]+: +\d+% \(\d+\/\d+\)/.test(line) || line.startsWith("Cloning into ");
}
