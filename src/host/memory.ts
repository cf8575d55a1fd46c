import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MemoryCgroup, memoryCgroup } from "./cgroup.ts";

/** Memory of a machine or a cgroup in bytes. */
export interface Memory {
  total: number;
  /** Without what caches could give back. */
  used: number;
  /** Contents of files. */
  cache: number;
}

/** Names of a cgroup's files by version, and lines of its `memory.stat`: what it could give back, and all contents of files. */
const FILES = {
  1: {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    idle: "total_inactive_file",
    cache: "total_cache",
  },
  2: { limit: "memory.max", usage: "memory.current", idle: "inactive_file", cache: "file" },
} as const;

/**
 * Whether at least `minShare` (0 to 1) of the memory is available: of the machine's, and of what each cgroup around this process may use.
 * `proc` is where the kernel tells about processes.
 */
export function hasFreeMemory(minShare: number, proc = "/proc"): boolean {
  if (minShare === 0) return true;
  try {
    return [machineMemory(proc), ...limitedMemory(proc)].every(({ total, used }) => total - used >= total * minShare);
  } catch {
    return false; // what cannot be known is not assumed
  }
}

/**
 * That of the cgroup around this process which may have the least, if that is less than `machineBytes`; undefined when only the
 * machine is a limit. @throws the system error
 */
export function narrowestGroup(machineBytes: number, proc = "/proc"): Memory | undefined {
  const [narrowest] = limitedMemory(proc).toSorted((a, b) => a.total - b.total);
  return narrowest && narrowest.total < machineBytes ? narrowest : undefined;
}

/** Of the machine, whatever cgroups leave of it. @throws the system error */
export function machineMemory(proc = "/proc"): Memory {
  const text = readFileSync(join(proc, "meminfo"), "latin1");
  const bytes = (name: string): number => 1024 * numberIn(text, new RegExp(`^${name}:\\s+(\\d+)`, "m"));
  const total = bytes("MemTotal");
  return { total, used: total - bytes("MemAvailable"), cache: bytes("Buffers") + bytes("Cached") };
}

function limitedMemory(proc: string): Memory[] {
  const group = memoryCgroup(proc);
  return group ? cgroupsMemory(group) : [];
}

/** That of each limited one of a group and those around it. */
function cgroupsMemory({ version, groups }: MemoryCgroup): Memory[] {
  const files = FILES[version];
  return groups.flatMap((group) => {
    const limit = readIfThere(join(group, files.limit));
    // Version 2 has no such file in the outermost group.
    if (limit === undefined || limit.trim() === "max") return [];
    const usage = Number(readFileSync(join(group, files.usage), "latin1"));
    const stat = readFileSync(join(group, "memory.stat"), "latin1");
    const line = (name: string): number => numberIn(stat, new RegExp(`^${name} (\\d+)`, "m"));
    return [{ total: Number(limit), used: usage - line(files.idle), cache: line(files.cache) }];
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

/** What `pattern` finds, or NaN, which is never enough. */
function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? Number.NaN);
}
