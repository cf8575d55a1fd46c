import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoName } from "../../src/errors.ts";
import { writableCgroup } from "../../src/host/cgroup.ts";
import { until } from "./daemon.ts";

/**
 * Puts processes into a cgroup that is not guestd's, as a container in the sandbox has one: they are frozen by signals. Where there are no
 * cgroups all are. Disposing puts them back, and what they have forked.
 */
export function otherCgroup(pids: readonly number[]): AsyncDisposable {
  const parent = writableCgroup();
  if (parent === undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const folder = join(parent, `guestd-test-${randomUUID()}`);
  mkdirSync(folder);
  for (const pid of pids) writeFileSync(join(folder, "cgroup.procs"), String(pid));
  return { [Symbol.asyncDispose]: () => until(() => isRemoved(folder, parent)) };
}

/** Not while it has members: some fork meanwhile, and some are still ending. */
function isRemoved(folder: string, parent: string): boolean {
  const left = readFileSync(join(folder, "cgroup.procs"), "latin1").split("\n").filter(Boolean);
  for (const pid of left) putBack(pid, parent);
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (errnoName(error) !== "EBUSY") throw error;
    return false;
  }
}

/** One that has ended since it was listed needs no place. */
function putBack(pid: string, parent: string): void {
  try {
    writeFileSync(join(parent, "cgroup.procs"), pid);
  } catch (error) {
    if (errnoName(error) !== "ESRCH") throw error;
  }
}
