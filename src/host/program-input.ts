import { SandboxError } from "../errors.ts";

/** What may wait in memory for a program that does not read its input. */
export const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/** What a program reads: a pipe or a terminal. Writes queue in order without blocking anybody. */
export interface ProgramInput {
  /**
   * Appends `bytes` and resolves once the program's side has taken them.
   * @throws SandboxError failed_precondition when closed (before or meanwhile), resource_exhausted when the queue is full
   */
  write(bytes: Uint8Array): Promise<void>;
  /** End of file for the program, after everything written before. Does not wait for that. Idempotent. */
  close(): void;
  /** Stops at once: what was not taken yet is lost and its writers are told. */
  destroy(): void;
}

export function inputClosed(cause?: unknown): SandboxError {
  return new SandboxError("failed_precondition", "standard input is closed", {
    reason: "stdin_closed",
    ...(cause === undefined ? {} : { cause }),
  });
}

export function inputFull(queuedBytes: number): SandboxError {
  return new SandboxError("resource_exhausted", `the input holds ${queuedBytes} bytes that the program has not read`, {
    reason: "stdin_full",
    hint: "wait until the program reads, or close its input",
  });
}
