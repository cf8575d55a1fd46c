import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, which Linux reports to programs on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** What a process holds in memory. */
export interface Memory {
  rssBytes: number;
  /** Its share of pages that several processes map. */
  pssBytes: number;
  /** Pages that nobody else maps. */
  privateBytes: number;
}

/** CPU seconds a process has used, children not counted; in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The same of all threads that are alive now, exact, for short or idle stretches. */
export function liveThreadsCpuSeconds(pid: number): number {
  const ns = sumOverThreads(pid, "schedstat", (text) => Number(text.split(" ")[0]));
  return ns / 1e9;
}

/** How often threads of a process went to sleep of their own will: each time something woke them before. */
export function wakeUps(pid: number): number {
  return sumOverThreads(pid, "status", (text) => Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1] ?? 0));
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return {
    rssBytes: field("Rss"),
    pssBytes: field("Pss"),
    privateBytes: field("Private_Clean") + field("Private_Dirty"),
  };
}

/** All processes that a process has started, directly or not, and that are alive. */
export function descendantsOf(pid: number): number[] {
  const children = threadsOf(pid).flatMap((thread) => readOrNothing(`/proc/${pid}/task/${thread}/children`).split(" "));
  const pids = children.map(Number).filter((child) => child > 0);
  return pids.flatMap((child) => [child, ...descendantsOf(child)]);
}

function sumOverThreads(pid: number, file: string, read: (text: string) => number): number {
  return threadsOf(pid).reduce((sum, thread) => sum + read(readOrNothing(`/proc/${pid}/task/${thread}/${file}`)), 0);
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // the process has ended meanwhile
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // the thread or process has ended meanwhile
  }
}
