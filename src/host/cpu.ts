import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CpuCgroup, cpuCgroups } from "./cgroup.ts";

/** Processor time there is for this process and the programs beside it. */
export interface CpuReading {
  /** How many processors' time may be used at once; a fraction where a cgroup limits it. */
  processors: number;
  /** Used so far, by all programs on the processors that may be used or, where a cgroup limits that, by those in the cgroup. */
  usedMs: number;
}

/** The kernel counts in /proc/stat in hundredths of a second, on every architecture (USER_HZ). */
const TICK_MS = 10;

/**
 * How much processor time was used: of the cgroup around this process that limits it most, or where none leaves less than the
 * affinity does, of the processors that this process may run on. `proc` is where the kernel tells about processes.
 * @throws the system error
 */
export function readCpu(proc = "/proc"): CpuReading {
  const own = ownProcessors(proc);
  const [limit] = cpuCgroups(proc)
    .map((group) => ({ processors: quotaOf(group), group }))
    .toSorted((a, b) => a.processors - b.processors);
  if (!limit || limit.processors >= own.processors) return own;
  return { processors: limit.processors, usedMs: groupUsedMs(limit.group.usageFile) };
}

/** Those that the affinity allows. Node's `availableParallelism` will not do: it counts quotas too, rounded down. */
function ownProcessors(proc: string): CpuReading {
  const lines = [...readFileSync(join(proc, "stat"), "latin1").matchAll(/^cpu(\d*) +(.*)$/gm)];
  const usedMs = new Map(lines.map(([, index = "", times = ""]) => [index, usedMsIn(times)]));
  const [total = 0] = [usedMs.get("")];
  usedMs.delete("");
  const status = readFileSync(join(proc, "self", "status"), "latin1");
  const allowed = new Set(indicesIn(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? ""));
  const own = [...usedMs].filter(([index]) => allowed.has(Number(index)));
  // A container may be shown its own processors only, counted anew.
  if (own.length === 0 || allowed.size >= usedMs.size) return { processors: usedMs.size, usedMs: total };
  return { processors: own.length, usedMs: own.reduce((sum, [, used]) => sum + used, 0) };
}

/** user nice system idle iowait irq softirq steal: what waits or is another machine's is not used. */
function usedMsIn(times: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = times.split(" ").map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}

/** `0-3,8` */
function indicesIn(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

function groupUsedMs(usageFile: string): number {
  const text = readFileSync(usageFile, "latin1");
  const microseconds = /^usage_usec (\d+)$/m.exec(text)?.[1];
  return microseconds === undefined ? Number(text) / 1e6 : Number(microseconds) / 1000;
}

/** In processors; Infinity where a group has no limit, for which it needs the controller. */
function quotaOf({ version, directory }: CpuCgroup): number {
  try {
    const names = version === 1 ? ["cpu.cfs_quota_us", "cpu.cfs_period_us"] : ["cpu.max"];
    const [quota = "", period = ""] = names
      .map((name) => readFileSync(join(directory, name), "latin1").trim())
      .join(" ")
      .split(" ");
    return quota === "max" || quota === "-1" ? Infinity : Number(quota) / Number(period);
  } catch {
    return Infinity;
  }
}
