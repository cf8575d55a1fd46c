import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type MountedFileSystem, parseMountInfo } from "./mount-info.ts";

/** The hierarchy of version 1 that has this controller, or that of version 2. */
export type Hierarchy = "cpu" | "cpuacct" | "memory" | "unified";

/** Where a process is in a hierarchy of cgroups, as far as it can be seen from here. */
export interface CgroupPlace {
  /** Its group, or the nearest around it that can be seen. */
  directory: string;
  /** The outermost group that can be seen. */
  mount: string;
}

/** Where this process is in a hierarchy; undefined where that is not mounted. `proc` is where the kernel tells about processes. */
export function cgroupPlace(hierarchy: Hierarchy, proc = "/proc"): CgroupPlace | undefined {
  try {
    const path = pathIn(hierarchy, readFileSync(join(proc, "self", "cgroup"), "utf8"));
    const mounts = parseMountInfo(readFileSync(join(proc, "self", "mountinfo"), "utf8"));
    return path === undefined ? undefined : placeOf(path, mounts.filter(has(hierarchy)));
  } catch {
    return undefined; // no /proc: nothing to find out
  }
}

/** The group of a place and those around it, nearest first. */
export function groupsAround({ directory, mount }: CgroupPlace): string[] {
  const groups = [directory];
  for (let at = directory; at !== mount && at !== dirname(at); groups.push(at)) at = dirname(at);
  return groups;
}

/** `4:cpu,cpuacct:/box`, of version 2 `0::/box`. */
function pathIn(hierarchy: Hierarchy, text: string): string | undefined {
  const lines = text.split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const wanted = hierarchy === "unified" ? "" : hierarchy;
  return lines.find(([, controllers]) => controllers?.split(",").includes(wanted))?.[2];
}

function has(hierarchy: Hierarchy): (mount: MountedFileSystem) => boolean {
  if (hierarchy === "unified") return ({ type }) => type === "cgroup2";
  return ({ type, options }) => type === "cgroup" && options.includes(hierarchy);
}

/**
 * In a container the path may be the host's, and so may what a mount says of its root. Where they have nothing in common, the
 * mount itself is as near as can be seen.
 */
function placeOf(path: string, mounts: readonly MountedFileSystem[]): CgroupPlace | undefined {
  for (const { root, point } of mounts.toReversed()) {
    const rest = pathBelow(root, path);
    if (rest !== undefined && existsSync(join(point, rest))) return { directory: join(point, rest), mount: point };
  }
  const mount = mounts.at(-1)?.point;
  return mount === undefined ? undefined : { directory: mount, mount };
}

/** What `path` has after `root`, empty or from its slash on; undefined where it is not below it, as groups outside of our namespace are. */
function pathBelow(root: string, path: string): string | undefined {
  if (path.split("/").includes("..")) return undefined;
  const start = root === "/" ? "" : root;
  if (path === "/" && start === "") return "";
  return path === start || path.startsWith(`${start}/`) ? path.slice(start.length) : undefined;
}
