import { statfs } from "node:fs/promises";
import { type CpuReading, readCpu } from "../host/cpu.ts";
import { machineMemory, type Memory, narrowestGroup } from "../host/memory.ts";
import { type Pressure, readPressure } from "../host/pressure.ts";
import { countDescriptors, countProcesses, residentMemory } from "../host/process-count.ts";

/** One reading of the machine, or of the part of it that the cgroups around this process leave. Sizes in bytes. */
export interface MetricsSample {
  at: Date;
  cpuCount: number;
  /** Of all that may be used, in the time since the sample before. */
  cpuUsedPercent: number;
  /** How long that time was. */
  cpuWindowMs: number;
  /** Since the machine was started, or its cgroup made. */
  cpuUsedMs: number;
  memory: Memory;
  diskTotal: number;
  diskUsed: number;
  processes: number;
  zombies: number;
  descriptors: { open: number; limit: number };
  pressure: readonly Pressure[];
  /** Memory in RAM of the processes that were asked for, by their ids; those that are gone are left out. */
  residentBytes: ReadonlyMap<number, number>;
}

/** A look at the processors' counter; the next sample tells what was used since. */
export interface CpuLook extends CpuReading {
  atMs: number;
}

export function lookAtCpu(): CpuLook {
  return { ...readCpu(), atMs: performance.now() };
}

/** Where the machine's memory is told. */
export type MemorySource = () => Memory | Promise<Memory>;

/**
 * Reads everything, without starting a program and without holding up the event loop for more than two milliseconds or so.
 * `pids` are processes to be looked at one by one.
 */
export async function takeSample(
  [before, now]: readonly [CpuLook, CpuLook],
  pids: readonly number[],
  source: MemorySource,
): Promise<MetricsSample> {
  const [machine, disk, counts] = await Promise.all([source(), statfs("/"), countProcesses()]);
  const residentBytes = await residentMemory(pids);
  // Only now: the other readings have some open.
  const descriptors = await countDescriptors();
  return {
    at: new Date(),
    cpuCount: Math.ceil(now.processors),
    cpuUsedPercent: usedPercent(before, now),
    cpuWindowMs: now.atMs - before.atMs,
    cpuUsedMs: now.usedMs,
    memory: narrowestGroup(machine.total) ?? machine,
    diskTotal: disk.blocks * disk.bsize,
    diskUsed: (disk.blocks - disk.bavail) * disk.bsize,
    ...counts,
    descriptors,
    pressure: readPressure(),
    residentBytes,
  };
}

/** What the kernel says of the machine's memory, for a request that cannot wait for the library to be loaded. */
export const ownMemory: MemorySource = () => machineMemory();

/**
 * The same from the library, whose loading keeps the event loop for 10 ms, once. Its other calls are not used: `currentLoad`,
 * `fsSize` and `processes` start `cat`, `df` and `ps` (docs/decisions/0031).
 */
export const libraryMemory: MemorySource = async () => {
  const { mem } = await import("systeminformation/lib/memory.js");
  const { total, active, buffers, cached } = await mem();
  // Its `buffcache` has the kernel's own caches too, which a cgroup's figure has not.
  return { total, used: active, cache: buffers + cached };
};

function usedPercent(before: CpuLook, now: CpuLook): number {
  const possibleMs = (now.atMs - before.atMs) * now.processors;
  if (possibleMs <= 0) return 0;
  const percent = ((now.usedMs - before.usedMs) / possibleMs) * 100;
  // The counters go in steps of their own, and a limit that has changed changes whose they are.
  return Math.round(Math.min(100, Math.max(0, percent)) * 100) / 100;
}
