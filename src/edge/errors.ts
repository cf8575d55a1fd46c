import { type ErrorCode, type ErrorReason, SandboxError } from "../errors.ts";

/** Why a request's signal aborted: nobody is listening any more. */
export class ClientGone extends Error {
  constructor() {
    super("the client went away");
    this.name = "ClientGone";
  }
}

/** HTTP status of each code on RPC routes, as the Connect protocol has it. */
const CONNECT_STATUS: Readonly<Record<ErrorCode, number>> = {
  canceled: 499,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  unauthenticated: 401,
};

/** On every other route HTTP has finer words for some of them. */
const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = { ...CONNECT_STATUS, failed_precondition: 409 };

const STATUS_BY_REASON: Readonly<Partial<Record<ErrorReason, number>>> = {
  body_too_large: 413,
  digest_mismatch: 422,
  expectation_failed: 417,
  headers_timeout: 408,
  headers_too_large: 431,
  host_not_allowed: 421,
  idempotency_mismatch: 422,
  is_directory: 400,
  log_trimmed: 410,
  no_space: 507,
  not_acceptable: 406,
  not_regular_file: 400,
  origin_not_allowed: 403,
  precondition_failed: 412,
  range_not_satisfiable: 416,
  run_forgotten: 410,
  upgrade_required: 426,
};

/** What a caller is told of anything that was thrown: bugs become `internal` without their message. */
export function publicError(error: unknown): SandboxError {
  if (error instanceof SandboxError) return error;
  if (error instanceof ClientGone) return new SandboxError("canceled", "context canceled", { cause: error });
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new SandboxError("deadline_exceeded", "context deadline exceeded", { cause: error });
  }
  return new SandboxError("internal", "internal error", { cause: error, hint: "the daemon's log has the details" });
}

/** Whether `error` is a bug of ours that belongs in the log with its stack. */
export function isBug(error: unknown): boolean {
  return publicError(error).code === "internal" && !(error instanceof SandboxError);
}

export function connectStatus(error: SandboxError): number {
  return CONNECT_STATUS[error.code];
}

export function httpStatus(error: SandboxError): number {
  return (error.reason && STATUS_BY_REASON[error.reason]) ?? HTTP_STATUS[error.code];
}

/** Body of a failed RPC, and of a stream's last frame. */
export function connectErrorBody(error: SandboxError): { code: ErrorCode; message: string } {
  return { code: error.code, message: error.message };
}

/** Body of a failed `/files`, `/init`, `/metrics` … request. */
export function restErrorBody(status: number, message: string): string {
  return `${JSON.stringify({ code: status, message })}\n`;
}

/** RFC 9457 problem details; `code`, `reason` and `hint` are ours. */
export function problemBody(error: SandboxError, instance: string): string {
  const status = httpStatus(error);
  const { code, reason, hint } = error;
  return `${JSON.stringify({ type: "about:blank", title: titleOf(code), status, detail: error.message, instance, code, reason, hint })}\n`;
}

function titleOf(code: ErrorCode): string {
  const words = code.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
