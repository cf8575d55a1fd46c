import { readdirSync } from "node:fs";
import { setImmediate as othersTurn } from "node:timers/promises";
import { descriptorTargets } from "./open-descriptors.ts";
import { childrenOf, commandName, parentOf } from "./process-tree.ts";

/** A process that holds a socket. */
export interface SocketOwner {
  pid: number;
  command: string;
}

/** Requests come in between when the look takes longer. */
const TURN_MS = 2;

/**
 * Who holds the sockets with these inodes, as far as we may look; the parent where a child has inherited one. This process and what
 * descends from it is looked at first, everybody else only for what is then left.
 */
export async function socketOwners(inodes: ReadonlySet<number>): Promise<Map<number, SocketOwner>> {
  const owners = new Map<number, SocketOwner>();
  const wanted = new Map([...inodes].map((inode) => [`socket:[${inode}]`, inode]));
  const looked = new Set<number>();
  for await (const pid of inTurns(tree(process.pid), () => owners.size < inodes.size)) {
    looked.add(pid);
    // Nearest first: who is found first is nobody's child that holds the same.
    for (const inode of held(pid, wanted)) if (!owners.has(inode)) owners.set(inode, ownerOf(pid));
  }
  const isLeft = inodes.size > owners.size;
  const left = new Map([...wanted].filter(([, inode]) => !owners.has(inode)));
  for await (const pid of inTurns(isLeft ? others(looked) : [], () => true)) {
    for (const inode of held(pid, left)) {
      const known = owners.get(inode);
      if (!known || parentOf(known.pid) === pid) owners.set(inode, ownerOf(pid));
    }
  }
  return owners;
}

/** `pids` while `isWanted`, with a pause for others now and then. */
async function* inTurns(pids: Iterable<number>, isWanted: () => boolean): AsyncGenerator<number> {
  let began = performance.now();
  for (const pid of pids) {
    if (!isWanted()) return;
    yield pid;
    if (performance.now() - began < TURN_MS) continue;
    await othersTurn();
    began = performance.now();
  }
}

/** `pid` and its descendants, nearest first. */
function* tree(pid: number): Generator<number> {
  const known = [pid];
  for (const next of known) {
    yield next;
    known.push(...childrenOf(next));
  }
}

function others(looked: ReadonlySet<number>): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && !looked.has(pid));
}

function held(pid: number, wanted: ReadonlyMap<string, number>): number[] {
  return descriptorTargets(pid).flatMap((target) => wanted.get(target) ?? []);
}

function ownerOf(pid: number): SocketOwner {
  return { pid, command: commandName(pid) };
}
