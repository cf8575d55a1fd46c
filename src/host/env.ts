import { SandboxError } from "../errors.ts";
import type { Identity } from "./users.ts";

export type Environment = Readonly<Record<string, string>>;

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
    if (fault) throw new SandboxError("invalid_argument", `environment variable name ${JSON.stringify(name)} ${fault}`);
    if (value.includes("\0")) {
      throw new SandboxError(
        "invalid_argument",
        `the value of environment variable ${JSON.stringify(name)} contains a NUL byte`,
      );
    }
  }
}

/**
 * The environment of a program, built and not inherited: what a login gives, then each of `layers`, later ones winning.
 * `path` is the daemon's own search path.
 */
export function buildEnvironment(user: Identity, path: string, layers: readonly Environment[]): Record<string, string> {
  return Object.assign({ PATH: path, HOME: user.home, USER: user.name, LOGNAME: user.name }, ...layers);
}

/** The search path that programs start with: ours, without what npm puts in front of it for its scripts. */
export function programPath(ownPath: string | undefined): string {
  const kept = (ownPath ?? "")
    .split(":")
    .filter((folder) => folder.startsWith("/") && !/\/(node_modules\/\.bin|node-gyp-bin)$/.test(folder));
  return kept.length > 0 ? kept.join(":") : STANDARD_PATH;
}
