import { join } from "node:path";
import { SandboxError } from "../errors.ts";
import type { Identity } from "./users.ts";

/** Longest path the kernel takes, in bytes, without the final NUL. */
const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;

/**
 * Resolves a path as callers write it: empty is the default directory (or home; itself written in this way), `~` the
 * user's home, relative is relative to home. An absolute path comes back unchanged: replies repeat it as it was asked.
 * @throws SandboxError invalid_argument for `~other`, NUL bytes, halves of characters and what the kernel could never open.
 */
export function resolvePath(path: string, user: Identity, defaultDirectory?: string): string {
  if (path === "") return defaultDirectory ? resolvePath(defaultDirectory, user) : user.home;
  checkPath(path);
  if (path.startsWith("/")) return path;
  if (path === "~") return user.home;
  if (path.startsWith("~/") || path.startsWith("~\\")) return below(user.home, path.slice(2));
  if (path.startsWith("~")) {
    throw new SandboxError(
      "invalid_argument",
      `failed to expand path '' for user '${user.name}': cannot expand user-specific home dir`,
      { hint: "use ~ for the user's own home, or an absolute path" },
    );
  }
  return below(user.home, path);
}

/** Joined and cleaned, without the final slash that `join` leaves. */
function below(home: string, path: string): string {
  const joined = join(home, path);
  return joined.length > 1 && joined.endsWith("/") ? joined.slice(0, -1) : joined;
}

/** @throws SandboxError invalid_argument when no system call could take `path`. */
export function checkPath(path: string): void {
  if (path.includes("\0")) {
    throw new SandboxError("invalid_argument", `path ${JSON.stringify(path)} contains a NUL byte`);
  }
  if (!path.isWellFormed()) {
    throw new SandboxError(
      "invalid_argument",
      `path ${JSON.stringify(path)} has half a character in it, and is no UTF-8`,
    );
  }
  // A character has at most three bytes per UTF-16 unit: most paths need no counting.
  if (path.length * 3 > MAX_NAME_BYTES) checkLength(path);
}

function checkLength(path: string): void {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new SandboxError("invalid_argument", `path is longer than ${MAX_PATH_BYTES} bytes: file name too long`);
  }
  const long = path.split("/").find((name) => Buffer.byteLength(name) > MAX_NAME_BYTES);
  if (long !== undefined) {
    throw new SandboxError(
      "invalid_argument",
      `name ${JSON.stringify(long)} is longer than ${MAX_NAME_BYTES} bytes: file name too long`,
    );
  }
}
