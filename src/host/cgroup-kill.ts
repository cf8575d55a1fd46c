import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writableCgroup } from "./cgroup.ts";
import { descendantsOf } from "./process-tree.ts";

/** Looks at a tree this often at most until all of it is in the group. */
const MAX_WALKS = 100;

/**
 * Kills a tree that forks faster than signals reach it: all of it goes into a cgroup of its own, where nothing is born outside,
 * and the kernel kills that group at once. Disposing removes the group. Undefined where there is no writable cgroup (v2).
 */
export function killInCgroup(shimPid: number): Disposable | undefined {
  const parent = writableCgroup();
  if (parent === undefined) return undefined;
  const group = join(parent, `guestd-kill-${shimPid}`);
  try {
    mkdirSync(group);
  } catch {
    return undefined; // read-only, or no groups may be made here
  }
  const moved = new Set<number>();
  for (let walk = 0; walk < MAX_WALKS; walk += 1) {
    const strangers = descendantsOf(shimPid).filter((pid) => !moved.has(pid));
    if (strangers.length === 0) break;
    for (const pid of strangers) if (tryWrite(join(group, "cgroup.procs"), String(pid))) moved.add(pid);
  }
  tryWrite(join(group, "cgroup.kill"), "1");
  return { [Symbol.dispose]: () => removeGroup(group) };
}

function tryWrite(file: string, text: string): boolean {
  try {
    writeFileSync(file, text);
    return true;
  } catch {
    return false; // that process has gone meanwhile, or the kernel is older than cgroup.kill (5.14)
  }
}

function removeGroup(group: string): void {
  try {
    rmdirSync(group);
  } catch {
    // somebody in it is still dying: an empty group left behind costs nothing
  }
}
