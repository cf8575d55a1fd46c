import { accessSync, constants } from "node:fs";
import { SandboxError } from "../errors.ts";

/** Longest single argument the kernel passes to a program, without its final NUL (MAX_ARG_STRLEN). */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;

/** How to run a command line: with bash, or sh where there is none. @throws SandboxError invalid_argument when it is too long */
export function shellCommand(commandLine: string): { cmd: string; args: readonly string[] } {
  const size = Buffer.byteLength(commandLine);
  if (size > MAX_ARGUMENT_BYTES) {
    throw new SandboxError(
      "invalid_argument",
      `a command line of ${size} bytes is longer than the kernel's ${MAX_ARGUMENT_BYTES}`,
      {
        hint: "send it as standard input of a shell: ?cmd=bash",
      },
    );
  }
  return { cmd: hasBash() ? "/bin/bash" : "/bin/sh", args: ["-c", commandLine] };
}

/** The same in a login shell, which reads the user's profile first. @throws SandboxError invalid_argument when it is too long */
export function loginShellCommand(commandLine: string): { cmd: string; args: readonly string[] } {
  const { cmd, args } = shellCommand(commandLine);
  return { cmd, args: ["-l", ...args] };
}

function hasBash(): boolean {
  try {
    accessSync("/bin/bash", constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
