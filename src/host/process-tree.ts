import { readdirSync, readFileSync } from "node:fs";
import type { PipeHolder } from "./child.ts";
import { descriptorTargets } from "./open-descriptors.ts";

/** More processes than this in one run are not looked at: the answer would be stale before it is complete. */
const MAX_PROCESSES = 10_000;

/** Children of `pid` that are alive or zombies, of all its threads; none when it is gone. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => childrenOfThread(pid, thread));
  } catch {
    return []; // it went away while we looked
  }
}

function childrenOfThread(pid: number, thread: string): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1");
    return list.split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // the thread has ended: its children are another one's now
  }
}

/** All descendants of `pid`, nearest first, without itself. */
export function descendantsOf(pid: number): number[] {
  const found: number[] = [];
  for (let next = childrenOf(pid); next.length > 0 && found.length < MAX_PROCESSES; next = next.flatMap(childrenOf)) {
    found.push(...next);
  }
  return found;
}

/** The state letter of /proc/pid/stat (`R`, `S`, `Z` …), or undefined when there is no such process. */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2];
  } catch {
    return undefined;
  }
}

/** The parent of `pid`, or undefined when it is gone. */
export function parentOf(pid: number): number | undefined {
  return statField(pid, 1);
}

/** The process group of `pid`, or undefined when it is gone. */
export function processGroupOf(pid: number): number | undefined {
  return statField(pid, 2);
}

/** The session of `pid`, or undefined when it is gone. */
export function sessionOf(pid: number): number | undefined {
  return statField(pid, 3);
}

/** When `pid` began, in the kernel's clock ticks: with it a number stands for one process only. Undefined when it is gone. */
export function startTimeOf(pid: number): number | undefined {
  return statField(pid, 19);
}

/** Whether `pid` exists and is no zombie. */
export function isRunning(pid: number): boolean {
  const state = processState(pid);
  return state !== undefined && state !== "Z" && state !== "X";
}

/** Those of `pids` that have one of the pipes or terminals open, with their command names. `targets`: `pipe:[7]`, `/dev/pts/3`. */
export function outputHolders(pids: readonly number[], targets: ReadonlySet<string>): PipeHolder[] {
  const holds = (pid: number): boolean => descriptorTargets(pid).some((target) => targets.has(target));
  return pids.filter(holds).map((pid) => ({ pid, command: commandName(pid) }));
}

/** A number of /proc/pid/stat; field 0 is the state, 1 the parent. */
function statField(pid: number, field: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[field]);
  } catch {
    return undefined;
  }
}

/** What /proc calls a program: at most 15 bytes of its file's name. */
export function commandName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return "";
  }
}
