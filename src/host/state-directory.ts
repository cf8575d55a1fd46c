import { chmodSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoName, fromErrno } from "../errors.ts";
import { makeDirectories } from "../lib/make-directories.ts";

/** The directory for what guestd keeps while it runs. Disposing removes it, and nothing else. */
export interface StateDirectory extends Disposable {
  path: string;
}

/**
 * Makes a directory of a new name in `wanted` (which is made if need be) or in the temporary one. Only guestd lists it, but other
 * users reach what they may read in it by name: kernels run from there.
 * @throws SandboxError when it cannot be made
 */
export function makeStateDirectory(wanted?: string): StateDirectory {
  const parent = wanted ?? tmpdir();
  try {
    const isNew = makeDirectories(parent);
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

/** Whoever has put something there meanwhile keeps it. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoName(error) ?? "")) throw error;
  }
}
