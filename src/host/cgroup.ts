import { accessSync, constants, existsSync } from "node:fs";
import { join, relative } from "node:path";
import { cgroupPlace, groupsAround } from "./cgroup-place.ts";

/** Where this process counts in the hierarchy that limits memory. */
export interface MemoryCgroup {
  version: 1 | 2;
  directory: string;
  /** Holds a line `oom_kill N`. */
  eventsFile: string;
  /** It and those around it that can be seen, nearest first. */
  groups: readonly string[];
}

const EVENTS_FILES = { 1: "memory.oom_control", 2: "memory.events" } as const;

/**
 * The memory cgroup of this process, as far as it can be seen from here: in version 2 the nearest that has the controller.
 * `proc` is where the kernel tells about processes.
 */
export function memoryCgroup(proc = "/proc"): MemoryCgroup | undefined {
  for (const version of [1, 2] as const) {
    const place = cgroupPlace(version === 1 ? "memory" : "unified", proc);
    const groups = place ? groupsAround(place) : [];
    const nearest = groups.findIndex((group) => isAllowed(join(group, EVENTS_FILES[version]), constants.R_OK));
    const directory = groups[nearest];
    if (directory === undefined) continue;
    return { version, directory, eventsFile: join(directory, EVENTS_FILES[version]), groups: groups.slice(nearest) };
  }
  return undefined;
}

/** A group that may limit processor time, and where what it used is counted. */
export interface CpuCgroup {
  version: 1 | 2;
  directory: string;
  /** How much was used so far: nanoseconds, or in version 2 a line `usage_usec N`. */
  usageFile: string;
}

/**
 * The cgroup of this process that may limit processor time and those around it, as far as they can be seen from here, nearest
 * first. `proc` is where the kernel tells about processes.
 */
export function cpuCgroups(proc = "/proc"): CpuCgroup[] {
  // In version 1 limits and counts may be two hierarchies, which mostly look alike.
  const [limits, counts] = [cgroupPlace("cpu", proc), cgroupPlace("cpuacct", proc)];
  if (limits && counts) {
    return groupsAround(limits).map((directory) => {
      const alike = join(counts.mount, relative(limits.mount, directory), "cpuacct.usage");
      const usageFile = existsSync(alike) ? alike : join(counts.directory, "cpuacct.usage");
      return { version: 1, directory, usageFile };
    });
  }
  const place = cgroupPlace("unified", proc);
  const groups = place ? groupsAround(place) : [];
  return groups.map((directory) => ({ version: 2, directory, usageFile: join(directory, "cpu.stat") }));
}

/** Directory of this process's cgroup in the unified hierarchy (v2), if groups can be made there. */
export function writableCgroup(): string | undefined {
  const directory = cgroupPlace("unified")?.directory;
  return directory !== undefined && isAllowed(join(directory, "cgroup.procs"), constants.W_OK) ? directory : undefined;
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
