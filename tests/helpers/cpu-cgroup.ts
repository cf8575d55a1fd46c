import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "vitest";
import { cpuCgroups } from "../../src/host/cgroup.ts";
import { until } from "./daemon.ts";
import { isGroupRemoved } from "./memory-cgroup.ts";
import { skipTest } from "./skip.ts";

export interface CpuGroup extends AsyncDisposable {
  /** Puts a process into the group. */
  add(pid: number): void;
}

let made = 0;

/** A cgroup below our own whose processes may use the time of so many processors; where none can be made the test is skipped. */
export function cpuGroupFor(context: TestContext, processors: number): CpuGroup {
  const [parent] = cpuCgroups();
  if (!parent) return skipTest(context, "no cgroup of processors is to be seen");
  made += 1;
  const name = `guestd-test-cpu-${process.pid}-${made}`;
  // In version 1 the time may be counted in another hierarchy than the one that limits it.
  const directories = new Set([parent.directory, dirname(parent.usageFile)].map((folder) => join(folder, name)));
  const [limited = ""] = directories;
  try {
    for (const directory of directories) mkdirSync(directory);
    if (parent.version === 2) writeFileSync(join(limited, "cpu.max"), `${processors * 100_000} 100000`);
    else writeFileSync(join(limited, "cpu.cfs_quota_us"), String(processors * 100_000));
  } catch (error) {
    for (const directory of directories) isGroupRemoved(directory);
    // Not root, mounted read-only, or v2 without the controller for children.
    return skipTest(context, `no cgroup of processors can be made: ${String(error)}`);
  }
  return {
    add(pid) {
      for (const directory of directories) writeFileSync(join(directory, "cgroup.procs"), String(pid));
    },
    async [Symbol.asyncDispose]() {
      for (const directory of directories) await until(() => isGroupRemoved(directory));
    },
  };
}
