import { readdirSync } from "node:fs";
import { descriptorTargets } from "./open-descriptors.ts";
import { commandName, parentOf } from "./process-tree.ts";

/** A process that holds a socket. */
export interface SocketOwner {
  pid: number;
  command: string;
}

/** Who holds the sockets with these inodes, as far as we may look; the parent where a child has inherited one. */
export function socketOwners(inodes: ReadonlySet<number>): Map<number, SocketOwner> {
  const owners = new Map<number, SocketOwner>();
  if (inodes.size === 0) return owners;
  const wanted = new Map([...inodes].map((inode) => [`socket:[${inode}]`, inode]));
  for (const pid of processes()) {
    for (const target of descriptorTargets(pid)) {
      const inode = wanted.get(target);
      const known = inode === undefined ? undefined : owners.get(inode);
      if (inode !== undefined && (!known || parentOf(known.pid) === pid))
        owners.set(inode, { pid, command: commandName(pid) });
    }
  }
  return owners;
}

function processes(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0);
}
