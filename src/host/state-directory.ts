import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoName, fromErrno } from "../errors.ts";
import { makeDirectories } from "../lib/make-directories.ts";
import { isNetworkFileSystem } from "./mounts.ts";
import { emptyDirectory, ifThere } from "./remove-tree.ts";
import { holdLeftState, holdState, STATE_LOCK } from "./state-lock.ts";

/** The directory for what guestd keeps while it runs. Disposing removes it, and nothing else. */
export interface StateDirectory extends Disposable {
  path: string;
}

const PREFIX = "guestd-";
/** As mkdtemp makes it of {@link PREFIX}. */
const NAME = /^guestd-[A-Za-z0-9]{6}$/;

/**
 * Makes a directory of a new name in `wanted` (which is made if need be) or in the temporary one. Only guestd lists it, but other
 * users reach what they may read in it by name: kernels run from there.
 * @throws SandboxError when it cannot be made
 */
export function makeStateDirectory(wanted?: string): StateDirectory {
  const parent = wanted ?? tmpdir();
  try {
    const isNew = makeDirectories(parent);
    const path = mkdtempSync(join(parent, PREFIX));
    const lock = holdState(path);
    chmodSync(path, 0o711);
    return {
      path,
      [Symbol.dispose]: () => {
        removeHeld(path);
        lock?.[Symbol.dispose]();
        if (isNew) removeIfEmpty(parent);
      },
    };
  } catch (error) {
    throw fromErrno(error, `cannot keep anything in ${JSON.stringify(parent)} (see --state-dir)`);
  }
}

/**
 * Removes the directories that daemons of this user made in `parent` and could not remove, since they were killed; nothing else, and
 * nothing where a lock may be one of this machine only. What cannot be removed stays. `onLeft` is called before each is removed.
 * @returns how many were removed
 */
export function removeLeftState(parent: string, onLeft?: (path: string) => void): number {
  try {
    if (isNetworkFileSystem(statfsSync(parent).type)) return 0;
    return readdirSync(parent).filter((name) => NAME.test(name) && removeIfLeft(join(parent, name), onLeft)).length;
  } catch {
    return 0; // it is not there yet, or not to be read
  }
}

function removeIfLeft(path: string, onLeft?: (path: string) => void): boolean {
  try {
    const stat = lstatSync(path);
    if (!stat.isDirectory() || stat.uid !== process.geteuid?.()) return false;
    using lock = holdLeftState(path);
    if (!lock) return false;
    onLeft?.(path);
    removeHeld(path);
    return true;
  } catch {
    return false; // it stays: the next start tries again
  }
}

/** The lock goes last: what was not removed to the end can be told to be ours. */
function removeHeld(path: string): void {
  emptyDirectory(path, STATE_LOCK);
  rmSync(join(path, STATE_LOCK), { force: true });
  ifThere(() => rmdirSync(path));
}

/** Whoever has put something there meanwhile keeps it. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoName(error) ?? "")) throw error;
  }
}
