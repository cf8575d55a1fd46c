import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memoryCgroup } from "../../src/host/cgroup.ts";
import { errnoName } from "../../src/errors.ts";
import { until } from "./daemon.ts";

export interface MemoryGroup extends AsyncDisposable {
  readonly directory: string;
  /** Write a process id here and it is in the group. */
  readonly procsFile: string;
}

const LIMIT_FILES = { 1: "memory.limit_in_bytes", 2: "memory.max" } as const;

let made = 0;

/** A memory cgroup below our own whose processes may use `limitBytes`; undefined where none can be made. */
export function makeMemoryGroup(limitBytes: number): MemoryGroup | undefined {
  const parent = memoryCgroup();
  if (!parent) return undefined;
  made += 1;
  const directory = join(parent.directory, `guestd-test-${process.pid}-${made}`);
  try {
    mkdirSync(directory);
  } catch {
    return undefined; // not root, or mounted read-only
  }
  const group = {
    directory,
    procsFile: join(directory, "cgroup.procs"),
    // The kernel takes its time to forget who was in it.
    [Symbol.asyncDispose]: () => until(() => isGroupRemoved(directory)),
  };
  try {
    writeFileSync(join(directory, LIMIT_FILES[parent.version]), String(limitBytes));
    return group;
  } catch {
    rmdirSync(directory); // v2 without the memory controller for children
    return undefined;
  }
}

/** Whether this process may make such groups. */
export function canMakeMemoryGroups(): boolean {
  const group = makeMemoryGroup(2 ** 30);
  if (group) rmdirSync(group.directory);
  return group !== undefined;
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
