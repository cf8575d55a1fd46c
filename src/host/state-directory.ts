import { chmodSync, mkdtempSync, rmdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoName, fromErrno, SandboxError } from "../errors.ts";
import { makeDirectories } from "../lib/make-directories.ts";

const OTHERS_ENTER = 0o001;

/** The directory for what guestd keeps while it runs. Disposing removes it, and nothing else. */
export interface StateDirectory extends Disposable {
  path: string;
}

/**
 * Makes a directory of a new name in `wanted` (which is made if need be) or in the temporary one. Only guestd lists it, but other
 * users reach what they may read in it by name: kernels run from there.
 * @throws SandboxError when it cannot be made, or other users could not enter `wanted`
 */
export function makeStateDirectory(wanted?: string): StateDirectory {
  const parent = wanted ?? tmpdir();
  try {
    const isNew = makeDirectories(parent);
    if (wanted !== undefined && !isNew) checkEnterable(parent);
    const path = mkdtempSync(join(parent, "guestd-"));
    chmodSync(path, 0o711);
    return {
      path,
      [Symbol.dispose]: () => {
        rmSync(path, { recursive: true, force: true });
        if (isNew) removeIfEmpty(parent);
      },
    };
  } catch (error) {
    throw fromErrno(error, `cannot keep anything in ${JSON.stringify(parent)} (see --state-dir)`);
  }
}

/** Only root has programs of other users to start. */
function checkEnterable(parent: string): void {
  if (process.geteuid?.() !== 0 || statSync(parent).mode & OTHERS_ENTER) return;
  throw new SandboxError("failed_precondition", `other users cannot enter ${JSON.stringify(parent)}`, {
    hint: "their kernels run from there: chmod o+x, or name another directory with --state-dir",
  });
}

/** Whoever has put something there meanwhile keeps it. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoName(error) ?? "")) throw error;
  }
}
