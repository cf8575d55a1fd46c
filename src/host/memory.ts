import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type MemoryCgroup, memoryCgroup } from "./cgroup.ts";

/** Memory that programs may still get, of all there is for them; bytes. */
interface Memory {
  available: number;
  total: number;
}

/** Names of a cgroup's files by version; what it has in its caches and could give back is a line of `memory.stat`. */
const FILES = {
  1: { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", cache: "total_inactive_file" },
  2: { limit: "memory.max", usage: "memory.current", cache: "inactive_file" },
} as const;

/**
 * Whether at least `minShare` (0 to 1) of the memory is available: of the machine's, and of what each cgroup around this process may use.
 * `proc` is where the kernel tells about processes.
 */
export function hasFreeMemory(minShare: number, proc = "/proc"): boolean {
  if (minShare === 0) return true;
  try {
    const group = memoryCgroup(proc);
    const limited = group ? cgroupsMemory(group) : [];
    return [machineMemory(proc), ...limited].every(({ available, total }) => available >= total * minShare);
  } catch {
    return false; // what cannot be known is not assumed
  }
}

function machineMemory(proc: string): Memory {
  const text = readFileSync(join(proc, "meminfo"), "latin1");
  const bytes = (name: string): number => 1024 * numberIn(text, new RegExp(`^${name}:\\s+(\\d+)`, "m"));
  return { available: bytes("MemAvailable"), total: bytes("MemTotal") };
}

/** That of a group and of those around it, up to the first one that cannot be seen or has no limits at all. */
function cgroupsMemory({ version, directory }: MemoryCgroup): Memory[] {
  const files = FILES[version];
  const found: Memory[] = [];
  for (let at = directory; ; at = dirname(at)) {
    const limit = readIfThere(join(at, files.limit));
    if (limit === undefined) return found;
    if (limit.trim() === "max") continue;
    const usage = Number(readFileSync(join(at, files.usage), "latin1"));
    const cache = numberIn(readFileSync(join(at, "memory.stat"), "latin1"), new RegExp(`^${files.cache} (\\d+)`, "m"));
    found.push({ available: Number(limit) - usage + cache, total: Number(limit) });
  }
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
