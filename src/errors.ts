import { getSystemErrorMessage } from "node:util";

/**
 * What kind of failure a caller met; the codes of the Connect protocol.
 * Closed: `edge/errors.ts` gives each its HTTP status on every face.
 */
export type ErrorCode =
  | "canceled"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "unauthenticated";

/** A finer cause for programs to branch on, stable within a code. */
export type ErrorReason =
  | "auth_failed"
  | "body_too_large"
  | "conflict"
  | "context_not_found"
  | "cwd_missing"
  | "digest_mismatch"
  | "directory_not_empty"
  | "dirty"
  | "expectation_failed"
  | "headers_timeout"
  | "headers_too_large"
  | "host_key"
  | "host_not_allowed"
  | "idempotency_mismatch"
  | "identity_missing"
  | "is_directory"
  | "kernel_unavailable"
  | "lock"
  | "log_trimmed"
  | "log_future"
  | "low_memory"
  | "network"
  | "no_space"
  | "non_fast_forward"
  | "not_a_repository"
  | "not_acceptable"
  | "not_found"
  | "not_initialized"
  | "not_regular_file"
  | "nothing_to_commit"
  | "origin_not_allowed"
  | "precondition_failed"
  | "process_not_found"
  | "range_not_satisfiable"
  | "run_forgotten"
  | "run_not_found"
  | "stdin_closed"
  | "stdin_full"
  | "token_invalid"
  | "token_missing"
  | "too_many_contexts"
  | "upgrade_required"
  | "user_not_switchable"
  | "user_unknown"
  | "wrong_input";

/** Optional parts of a {@link SandboxError}. */
export interface ErrorDetails {
  reason?: ErrorReason;
  /** What the caller can do about it, one sentence. */
  hint?: string;
  cause?: unknown;
}

/**
 * An error a caller can meet: message is what failed, the value and why, in lower case, without secrets.
 * Anything else that is thrown is a bug and reaches callers as `internal`.
 */
export class SandboxError extends Error {
  readonly code: ErrorCode;
  readonly reason: ErrorReason | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "SandboxError";
    this.code = code;
    this.reason = details.reason;
    this.hint = details.hint;
  }
}

const CODE_BY_ERRNO: Readonly<Record<string, ErrorCode>> = {
  EACCES: "permission_denied",
  EPERM: "permission_denied",
  EROFS: "permission_denied",
  ENOENT: "not_found",
  ESRCH: "not_found",
  EEXIST: "already_exists",
  ENAMETOOLONG: "invalid_argument",
  EINVAL: "invalid_argument",
  ELOOP: "failed_precondition",
  ENOTDIR: "failed_precondition",
  EISDIR: "failed_precondition",
  ENOTEMPTY: "failed_precondition",
  EBUSY: "failed_precondition",
  EXDEV: "failed_precondition",
  ETXTBSY: "failed_precondition",
  EMFILE: "resource_exhausted",
  ENFILE: "resource_exhausted",
  ENOSPC: "resource_exhausted",
  EDQUOT: "resource_exhausted",
  ENOMEM: "resource_exhausted",
  EAGAIN: "unavailable",
};

/** The symbolic name (`ENOENT`) of a system error, or undefined for any other value. */
export function errnoName(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return error.code.startsWith("E") && "errno" in error ? error.code : undefined;
}

/** The system's own words for a system error (`no such file or directory`), or the message of any other. */
export function errnoText(error: unknown): string {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number") {
    // Some of Node's have it positive.
    return getSystemErrorMessage(-Math.abs(error.errno)) ?? error.message;
  }
  return error instanceof Error ? error.message : String(error);
}

/**
 * Translates a system error: `fromErrno(error, "cannot list \"/x\"")` → not_found, `cannot list "/x": no such file or directory`.
 * A SandboxError passes through; what has no errno becomes `internal`. `code` overrides the usual translation.
 */
export function fromErrno(error: unknown, what: string, code?: ErrorCode): SandboxError {
  if (error instanceof SandboxError) return error;
  const name = errnoName(error);
  const details: ErrorDetails = { cause: error };
  if (name === "ENOSPC" || name === "EDQUOT") details.reason = "no_space";
  const translated = name === undefined ? undefined : CODE_BY_ERRNO[name];
  return new SandboxError(code ?? translated ?? "internal", `${what}: ${errnoText(error)}`, details);
}
