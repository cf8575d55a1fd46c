import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";

/** Lines of `self/cgroup` and of `mounts` that tell where a process is in a hierarchy. */
interface Hierarchy {
  proc: string;
  own: RegExp;
  mount: RegExp;
}

const UNIFIED = { own: /^0::(.*)$/m, mount: /^\S+ (\S+) cgroup2 /m };

/** Where this process counts in the hierarchy that limits memory. */
export interface MemoryCgroup {
  version: 1 | 2;
  directory: string;
  /** Holds a line `oom_kill N`. */
  eventsFile: string;
}

/** The memory cgroup of this process, as far as it can be seen from here; `proc` is where the kernel tells about processes. */
export function memoryCgroup(proc = "/proc"): MemoryCgroup | undefined {
  const v1 = locate(
    { proc, own: /^\d+:[^:]*\bmemory\b[^:]*:(.*)$/m, mount: /^\S+ (\S+) cgroup \S*\bmemory\b/m },
    "memory.oom_control",
  );
  if (v1 !== undefined) return { version: 1, directory: v1, eventsFile: join(v1, "memory.oom_control") };
  const v2 = locate({ ...UNIFIED, proc }, "memory.events");
  return v2 === undefined ? undefined : { version: 2, directory: v2, eventsFile: join(v2, "memory.events") };
}

/** Where this process counts in the hierarchies that limit and count processor time; those of version 1 may be two. */
export interface CpuCgroup {
  version: 1 | 2;
  /** Has the limit of processor time. */
  directory: string;
  /** How much was used so far: nanoseconds, or in version 2 a line `usage_usec N`. */
  usageFile: string;
}

/** The processor cgroup of this process, as far as it can be seen from here; `proc` is where the kernel tells about processes. */
export function cpuCgroup(proc = "/proc"): CpuCgroup | undefined {
  const limits = locate(
    { proc, own: /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m, mount: /^\S+ (\S+) cgroup (?:\S*,)?cpu[, ]/m },
    "cpu.cfs_quota_us",
  );
  const counts = locate(
    { proc, own: /^\d+:[^:]*\bcpuacct\b[^:]*:(.*)$/m, mount: /^\S+ (\S+) cgroup \S*\bcpuacct\b/m },
    "cpuacct.usage",
  );
  if (limits !== undefined && counts !== undefined) {
    return { version: 1, directory: limits, usageFile: join(counts, "cpuacct.usage") };
  }
  const v2 = locate({ ...UNIFIED, proc }, "cpu.stat");
  return v2 === undefined ? undefined : { version: 2, directory: v2, usageFile: join(v2, "cpu.stat") };
}

/** Directory of this process's cgroup in the unified hierarchy (v2), if groups can be made there. */
export function writableCgroup(): string | undefined {
  const directory = locate({ ...UNIFIED, proc: "/proc" }, "cgroup.procs");
  return directory !== undefined && isAllowed(join(directory, "cgroup.procs"), constants.W_OK) ? directory : undefined;
}

/**
 * Where the path that `own` finds is below the mount that `mount` finds, if `file` can be read there. In a
 * container the path may be the host's, which is nowhere below our mount: then the mount itself is our group.
 */
function locate({ proc, own, mount }: Hierarchy, file: string): string | undefined {
  try {
    const path = own.exec(readFileSync(join(proc, "self", "cgroup"), "utf8"))?.[1];
    const folder = mount.exec(readFileSync(join(proc, "mounts"), "utf8"))?.[1];
    if (path === undefined || folder === undefined) return undefined;
    return [join(folder, path), folder].find((directory) => isAllowed(join(directory, file), constants.R_OK));
  } catch {
    return undefined; // no /proc: nothing to find out
  }
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
