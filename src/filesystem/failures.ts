import { type ErrorCode, errnoName, errnoText, fromErrno, SandboxError } from "../errors.ts";

/** What is a matter of rights, or of the path that was asked for; all else that a file system says is `internal` in the wire contract. */
const CODE_BY_ERRNO: Readonly<Record<string, ErrorCode>> = {
  EACCES: "permission_denied",
  EPERM: "permission_denied",
  ENAMETOOLONG: "invalid_argument",
};

/** A failed file operation in the contract's words: `error getting file info: lstat /x: not a directory`. */
export function fileError(error: unknown, what: string, code?: ErrorCode): SandboxError {
  if (error instanceof SandboxError) return error;
  const name = errnoName(error);
  const translated = name === undefined ? undefined : CODE_BY_ERRNO[name];
  return new SandboxError(code ?? translated ?? "internal", `${what}: ${errnoText(error)}`, { cause: error });
}

/** The same failure with a code that says what it is a matter of, where the wire contract has only `internal` for it. */
export function finerError(error: unknown): unknown {
  if (!(error instanceof SandboxError) || error.code !== "internal") return error;
  const cause = systemCause(error);
  if (cause === undefined) return error;
  const { code, reason } = fromErrno(cause, error.message);
  return new SandboxError(code, error.message, { ...(reason && { reason }), cause });
}

/** The system error at the bottom of `error`. */
function systemCause(error: unknown): unknown {
  if (errnoName(error) !== undefined) return error;
  return error instanceof Error && error.cause !== undefined ? systemCause(error.cause) : undefined;
}

/** Puts words before what a caller is told; what is no {@link SandboxError} is a bug and stays as it is. */
export function withContext(error: unknown, what: string): unknown {
  if (!(error instanceof SandboxError)) return error;
  const { code, message, reason, hint } = error;
  return new SandboxError(code, `${what}: ${message}`, {
    ...(reason && { reason }),
    ...(hint && { hint }),
    cause: error,
  });
}

/** A disk, quota or inode table that is full. */
export function noSpace(message: string, cause: unknown): SandboxError {
  return new SandboxError("resource_exhausted", message, { reason: "no_space", cause });
}

/** Whether `error` says that there is no room left. */
export function isNoSpace(error: unknown): boolean {
  const name = errnoName(error);
  return name === "ENOSPC" || name === "EDQUOT";
}

/** Whether nothing is at the path that led to `error`. */
export function isMissing(error: unknown): boolean {
  return errnoName(error) === "ENOENT";
}

/** Whether the file system at hand cannot do what was asked of it, now or ever. */
export function isUnsupported(error: unknown): boolean {
  const name = errnoName(error);
  return name === "EOPNOTSUPP" || name === "ENOTSUP";
}

/** A directory where there should be a file. */
export function directoryError(path: string): SandboxError {
  return new SandboxError("invalid_argument", `path is a directory: ${path}`, { reason: "is_directory" });
}

/** FIFOs, sockets and devices: opening one may wait forever, or do something to the machine. */
export function notRegular(path: string): SandboxError {
  return new SandboxError("failed_precondition", `path is not a regular file: ${path}`, {
    reason: "not_regular_file",
    hint: "only regular files can be read and written",
  });
}
