import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { type CpuCgroup, cpuCgroup } from "./cgroup.ts";

/** Processor time there is for this process and the programs beside it. */
export interface CpuReading {
  /** How many processors' time may be used at once; a fraction where a cgroup limits it. */
  processors: number;
  /** Used so far, by the machine or, where there is a limit, by the cgroup that has it. */
  usedMs: number;
}

/** The kernel counts in /proc/stat in hundredths of a second, on every architecture (USER_HZ). */
const TICK_MS = 10;

/**
 * How much processor time was used: of the machine, or of the cgroup of this process where that or its affinity allows less
 * than the machine has. `proc` is where the kernel tells about processes; `allowed` how many processors the affinity allows.
 * @throws the system error
 */
export function readCpu(proc = "/proc", allowed = availableParallelism()): CpuReading {
  const stat = readFileSync(join(proc, "stat"), "latin1");
  const machine = stat.match(/^cpu\d+ /gm)?.length ?? 1;
  const group = cpuCgroup(proc);
  const quota = group ? narrowestQuota(group) : undefined;
  const processors = Math.min(machine, allowed, quota?.processors ?? Infinity);
  if (!group || processors >= machine) return { processors: machine, usedMs: machineUsedMs(stat) };
  return { processors, usedMs: groupUsedMs(quota?.usageFile ?? group.usageFile) };
}

/** user nice system idle iowait irq softirq steal: what waits or is another machine's is not used. */
function machineUsedMs(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? "")
    .split(" ")
    .map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}

function groupUsedMs(usageFile: string): number {
  const text = readFileSync(usageFile, "latin1");
  const microseconds = /^usage_usec (\d+)$/m.exec(text)?.[1];
  return microseconds === undefined ? Number(text) / 1e6 : Number(microseconds) / 1000;
}

/** The least that this group or one around it may use, and where that one's use is counted. */
function narrowestQuota(group: CpuCgroup): { processors: number; usageFile: string } | undefined {
  let narrowest: { processors: number; usageFile: string } | undefined;
  let { directory, usageFile } = group;
  for (;;) {
    const quota = quotaOf(group.version, directory);
    if (quota === undefined) return narrowest;
    if (quota < (narrowest?.processors ?? Infinity)) narrowest = { processors: quota, usageFile };
    directory = dirname(directory);
    usageFile = join(dirname(dirname(usageFile)), basename(usageFile));
  }
}

/** In processors; Infinity without a limit, undefined where there are no such files any more. */
function quotaOf(version: 1 | 2, directory: string): number | undefined {
  try {
    const names = version === 1 ? ["cpu.cfs_quota_us", "cpu.cfs_period_us"] : ["cpu.max"];
    const [quota = "", period = ""] = names
      .map((name) => readFileSync(join(directory, name), "latin1").trim())
      .join(" ")
      .split(" ");
    return quota === "max" || quota === "-1" ? Infinity : Number(quota) / Number(period);
  } catch {
    return undefined;
  }
}
