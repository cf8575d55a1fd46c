import { SandboxError } from "../errors.ts";
import type { Identity } from "./users.ts";

export type Environment = Readonly<Record<string, string>>;

/** Longest `NAME=VALUE` that the kernel passes to a program, with its final NUL (MAX_ARG_STRLEN). */
const MAX_VARIABLE_BYTES = 128 * 1024;
const LONGEST_SHOWN_NAME = 100;
const STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @throws SandboxError invalid_argument naming the first variable that cannot be in an environment; values are never repeated */
export function checkEnvironment(env: Environment): void {
  for (const [name, value] of Object.entries(env)) {
    const fault =
      name === ""
        ? "is empty"
        : name.includes("=")
          ? "contains '='"
          : name.includes("\0")
            ? "contains a NUL byte"
            : undefined;
    if (fault) throw new SandboxError("invalid_argument", `environment variable name ${quote(name)} ${fault}`);
    if (value.includes("\0")) {
      throw new SandboxError(
        "invalid_argument",
        `the value of environment variable ${quote(name)} contains a NUL byte`,
      );
    }
    if (isTooLong(name, value)) {
      throw new SandboxError(
        "invalid_argument",
        `environment variable ${quote(name)} is longer than the ${MAX_VARIABLE_BYTES} bytes that the kernel takes`,
      );
    }
  }
}

function isTooLong(name: string, value: string): boolean {
  // A character has at most three bytes per UTF-16 unit: most variables need no counting.
  if ((name.length + value.length) * 3 + 2 <= MAX_VARIABLE_BYTES) return false;
  return Buffer.byteLength(name) + Buffer.byteLength(value) + 2 > MAX_VARIABLE_BYTES;
}

function quote(name: string): string {
  return JSON.stringify(name.length > LONGEST_SHOWN_NAME ? `${name.slice(0, LONGEST_SHOWN_NAME)}…` : name);
}

/**
 * The environment of a program, built and not inherited: what a login gives, then each of `layers`, later ones winning.
 * `path` is the daemon's own search path.
 */
export function buildEnvironment(user: Identity, path: string, layers: readonly Environment[]): Record<string, string> {
  const login = { PATH: path, HOME: user.home, USER: user.name, LOGNAME: user.name };
  // Spread, not assigned: a variable may be called like a setter of all objects (`__proto__`).
  return layers.reduce<Record<string, string>>((env, layer) => ({ ...env, ...layer }), login);
}

/** The search path that programs start with: ours, without what npm puts in front of it for its scripts. */
export function programPath(ownPath: string | undefined): string {
  const kept = (ownPath ?? "")
    .split(":")
    .filter((folder) => folder.startsWith("/") && !/\/(node_modules\/\.bin|node-gyp-bin)$/.test(folder));
  return kept.length > 0 ? kept.join(":") : STANDARD_PATH;
}
