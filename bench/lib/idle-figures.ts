import { setTimeout as pause } from "node:timers/promises";
import { liveThreadsCpuSeconds, wakeUps } from "./process-figures.ts";

/** What processes cost while nothing happens: CPU of all their threads, and how often these are woken. */
export async function idleFigures(
  pids: readonly number[],
  durationMs: number,
): Promise<{ cpuPercent: number; wakeUpsPerSecond: number }> {
  const read = (figure: (pid: number) => number): number => pids.reduce((sum, pid) => sum + figure(pid), 0);
  const [cpuBefore, wakeUpsBefore] = [read(liveThreadsCpuSeconds), read(wakeUps)];
  const began = performance.now();
  await pause(durationMs);
  const seconds = (performance.now() - began) / 1000;
  return {
    cpuPercent: ((read(liveThreadsCpuSeconds) - cpuBefore) / seconds) * 100,
    wakeUpsPerSecond: (read(wakeUps) - wakeUpsBefore) / seconds,
  };
}
