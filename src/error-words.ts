import type { ErrorCode, ErrorReason } from "./errors.ts";

/** When a caller meets a code, for docs/errors.md. */
export const CODE_WORDS: Readonly<Record<ErrorCode, string>> = {
  canceled: "the client went away before there was an answer",
  invalid_argument: "the request cannot be: a value, a header or a body is not what it should be",
  deadline_exceeded: "the deadline that the client has set is over",
  not_found: "there is no such run, process, context, file, account or path",
  already_exists: "something of that name is there already",
  permission_denied: "the operating system, or a rule of guestd, does not allow it",
  resource_exhausted: "a limit is reached: memory, disk, descriptors, contexts, size of a message",
  failed_precondition: "not in the state that things are in; another request has to come first",
  aborted: "others changed the same thing meanwhile; ask again",
  out_of_range: "a position that is no longer there",
  unimplemented: "guestd does not do that",
  internal: "a bug of guestd, or the machine failed it; the log has more",
  unavailable: "not now: something is starting, missing or gone; ask again later",
  unauthenticated: "no token or a wrong one, or no such account",
};

/** The codes that a reason comes with, the usual one first, and when a caller meets it. */
export const REASON_WORDS: Readonly<
  Record<ErrorReason, { codes: readonly [ErrorCode, ...ErrorCode[]]; when: string }>
> = {
  auth_failed: {
    codes: ["permission_denied"],
    when: "a git server wants credentials, or does not take those that were given",
  },
  body_too_large: {
    codes: ["resource_exhausted", "invalid_argument"],
    when: "the body is larger than what is read into memory; the message has the limit",
  },
  conflict: { codes: ["failed_precondition"], when: "git cannot bring two changes of the same lines together" },
  context_not_found: { codes: ["not_found"], when: "no code context has that id: it was removed, or never was" },
  cwd_missing: { codes: ["invalid_argument"], when: "the directory to start in is not there, or is none" },
  digest_mismatch: {
    codes: ["invalid_argument"],
    when: "the bytes do not come to the digest that was sent with them; nothing was written",
  },
  dirty: { codes: ["failed_precondition"], when: "git would overwrite changes that are not committed" },
  directory_not_empty: {
    codes: ["failed_precondition"],
    when: "a directory with something in it is removed only with recursive=1",
  },
  expectation_failed: { codes: ["invalid_argument"], when: "an Expect header other than 100-continue" },
  headers_timeout: { codes: ["invalid_argument"], when: "the headers of a request did not arrive in time" },
  headers_too_large: { codes: ["invalid_argument"], when: "the headers of a request are larger than what Node reads" },
  host_key: {
    codes: ["permission_denied"],
    when: "the key or certificate of a git server is unknown or another than before",
  },
  host_not_allowed: {
    codes: ["permission_denied"],
    when: "without a token: the Host header is no name of this machine; see --allowed-host",
  },
  idempotency_mismatch: { codes: ["invalid_argument"], when: "the Idempotency-Key was used for another request" },
  identity_missing: {
    codes: ["failed_precondition"],
    when: "a commit or tag needs a name and an address of who makes it: give author, or set user.name and user.email",
  },
  is_directory: { codes: ["invalid_argument"], when: "a file is wanted, a directory is there" },
  kernel_unavailable: {
    codes: ["unavailable"],
    when: "a language's kernel does not start; the message says what is missing",
  },
  lock: { codes: ["aborted"], when: "another git works in the repository, or one that was killed has left its lock" },
  log_future: { codes: ["invalid_argument"], when: "an offset behind the end of what was written" },
  log_trimmed: {
    codes: ["out_of_range"],
    when: "an offset before the oldest byte that is kept; the message has that one",
  },
  low_memory: { codes: ["resource_exhausted"], when: "memory is short and --low-memory-contexts is refuse" },
  network: { codes: ["unavailable"], when: "a git server cannot be reached, or the connection broke off" },
  no_space: { codes: ["resource_exhausted"], when: "the disk or a quota is full; what was there before still is" },
  non_fast_forward: {
    codes: ["failed_precondition"],
    when: "both sides have commits that the other lacks: pull first, or say how",
  },
  not_a_repository: { codes: ["failed_precondition"], when: "the directory is in no git repository" },
  not_acceptable: { codes: ["invalid_argument"], when: "Accept-Encoding excludes all that a file could be sent as" },
  not_found: { codes: ["not_found"], when: "git knows no such repository, branch, commit, remote or file" },
  not_initialized: { codes: ["unauthenticated"], when: "on a public address without a token, before the first /init" },
  not_regular_file: { codes: ["failed_precondition"], when: "a file is wanted, a device, socket or pipe is there" },
  nothing_to_commit: {
    codes: ["failed_precondition"],
    when: "there is nothing to commit, for which add takes it into the index, or nothing to stash",
  },
  origin_not_allowed: {
    codes: ["permission_denied"],
    when: "without a token: a web page of another machine asks; see --allowed-host",
  },
  precondition_failed: {
    codes: ["failed_precondition"],
    when: "If-Match, If-None-Match or If-Unmodified-Since does not hold",
  },
  process_not_found: { codes: ["not_found"], when: "no process has that pid or tag, or it has ended" },
  range_not_satisfiable: {
    codes: ["out_of_range"],
    when: "a range outside the file, or a part that would leave a gap",
  },
  run_forgotten: {
    codes: ["not_found"],
    when: "the run that the Idempotency-Key has started is no longer kept; it is not started again",
  },
  run_not_found: { codes: ["not_found"], when: "no run has that id: it was forgotten, or never was" },
  stdin_closed: { codes: ["failed_precondition"], when: "standard input was closed, or not asked for at the start" },
  stdin_full: { codes: ["resource_exhausted"], when: "the program does not read its input and the queue is full" },
  token_invalid: { codes: ["unauthenticated"], when: "there was a token, and it is not this daemon's" },
  token_missing: { codes: ["unauthenticated"], when: "there was no token; send X-Access-Token" },
  too_many_contexts: {
    codes: ["resource_exhausted"],
    when: "there are as many code contexts as --max-contexts allows",
  },
  upgrade_required: { codes: ["failed_precondition"], when: "a WebSocket was asked for with a plain request" },
  user_not_switchable: {
    codes: ["permission_denied"],
    when: "only root can start programs, or make files, for another account",
  },
  user_unknown: { codes: ["unauthenticated"], when: "there is no account of that name" },
  wrong_input: {
    codes: ["failed_precondition", "internal"],
    when: "input for a terminal sent to a program without one, or the other way round",
  },
};
