import { statfs } from "node:fs/promises";
import { type CpuReading, readCpu } from "../host/cpu.ts";
import { type Memory, narrowestGroup } from "../host/memory.ts";
import { type Pressure, readPressure } from "../host/pressure.ts";
import { countDescriptors, countProcesses } from "../host/process-count.ts";

/** One reading of the machine, or of the part of it that the cgroups around this process leave. Sizes in bytes. */
export interface MetricsSample {
  at: Date;
  cpuCount: number;
  /** Of all that may be used, since the sample before. */
  cpuUsedPercent: number;
  memory: Memory;
  diskTotal: number;
  diskUsed: number;
  processes: number;
  zombies: number;
  descriptors: { open: number; limit: number };
  pressure: readonly Pressure[];
}

/** A look at the processors' counter; the next sample tells what was used since. */
export interface CpuLook extends CpuReading {
  atMs: number;
}

export function lookAtCpu(): CpuLook {
  return { ...readCpu(), atMs: performance.now() };
}

/** Reads everything, without starting a program and without holding up the event loop for more than two milliseconds or so. */
export async function takeSample(before: CpuLook, now: CpuLook): Promise<MetricsSample> {
  const [memory, disk, counts] = await Promise.all([readMemory(), statfs("/"), countProcesses()]);
  return {
    at: new Date(),
    cpuCount: Math.ceil(now.processors),
    cpuUsedPercent: usedPercent(before, now),
    memory,
    diskTotal: disk.blocks * disk.bsize,
    diskUsed: (disk.blocks - disk.bavail) * disk.bsize,
    ...counts,
    descriptors: countDescriptors(),
    pressure: readPressure(),
  };
}

/** The library's other calls are not used: `currentLoad`, `fsSize` and `processes` start `cat`, `df` and `ps` (docs/decisions/0031). */
async function readMemory(): Promise<Memory> {
  const { default: system } = await import("systeminformation");
  const { total, active, buffcache } = await system.mem();
  return narrowestGroup(total) ?? { total, used: active, cache: buffcache };
}

function usedPercent(before: CpuLook, now: CpuLook): number {
  const possibleMs = (now.atMs - before.atMs) * now.processors;
  if (possibleMs <= 0) return 0;
  const percent = ((now.usedMs - before.usedMs) / possibleMs) * 100;
  // The counters go in steps of their own, and a limit that has changed changes whose they are.
  return Math.round(Math.min(100, Math.max(0, percent)) * 100) / 100;
}
