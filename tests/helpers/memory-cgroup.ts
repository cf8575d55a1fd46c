import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { memoryCgroup } from "../../src/host/cgroup.ts";
import { errnoName } from "../../src/errors.ts";
import { until } from "./daemon.ts";
import { skipTest } from "./skip.ts";

export interface MemoryGroup extends AsyncDisposable {
  readonly directory: string;
  /** Write a process id here and it is in the group. */
  readonly procsFile: string;
}

const LIMIT_FILES = { 1: "memory.limit_in_bytes", 2: "memory.max" } as const;

let made = 0;

/**
 * A memory cgroup below our own whose processes may use `limitBytes`. Where this machine lets nobody make one the test is skipped
 * and says why; whatever else is in the way is a failure.
 */
export function memoryGroupFor(context: TestContext, limitBytes: number): MemoryGroup {
  const parent = memoryCgroup();
  if (!parent) return skipTest(context, "no memory cgroup is to be seen");
  made += 1;
  const directory = join(parent.directory, `guestd-test-${process.pid}-${made}`);
  try {
    mkdirSync(directory);
    writeFileSync(join(directory, LIMIT_FILES[parent.version]), String(limitBytes));
  } catch (error) {
    isGroupRemoved(directory);
    // In version 2 the limit's file is missing where groups below do not get the controller.
    const isForbidden = ["EROFS", "EACCES", "EPERM"].includes(errnoName(error) ?? "");
    if (!isForbidden) throw error;
    return skipTest(context, `no memory cgroup can be made in ${parent.directory}: ${errnoName(error)}`);
  }
  return {
    directory,
    procsFile: join(directory, "cgroup.procs"),
    // The kernel takes its time to forget who was in it.
    [Symbol.asyncDispose]: () => until(() => isGroupRemoved(directory)),
  };
}

/** Removes a group once nobody is in it; true when it is gone. */
export function isGroupRemoved(directory: string): boolean {
  try {
    if (readFileSync(join(directory, "cgroup.procs"), "latin1") !== "") return false;
    rmdirSync(directory);
    return true;
  } catch (error) {
    if (errnoName(error) === "ENOENT") return true;
    if (errnoName(error) === "EBUSY") return false;
    throw error;
  }
}
