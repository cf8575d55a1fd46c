import { setTimeout as pause } from "node:timers/promises";
import { type ListeningSocket, ListeningSockets } from "../host/listening-sockets.ts";
import { isRunning, parentOf } from "../host/process-tree.ts";
import { type SocketOwner, socketOwners } from "../host/socket-owners.ts";
import type { Runs } from "../runs/runs.ts";
import type { Port, PortEvent } from "./types.ts";

/** The kernel tells nobody of a new listener: it is asked this often, while somebody follows. One question takes some 20 µs. */
const LOOK_EVERY_MS = 100;
/** Deeper than any tree of processes. */
const MAX_ANCESTORS = 100;

/** Ports that programs listen on, guestd's own left out. */
export class Ports implements Disposable {
  readonly #sockets = new ListeningSockets();
  readonly #runs: Runs;
  /** Who held a socket when it was first seen. */
  #owners = new Map<number, SocketOwner | undefined>();

  constructor(options: { runs: Runs }) {
    this.#runs = options.runs;
  }

  /** In order of their numbers. */
  list(): Port[] {
    return this.#describe(this.#sockets.list());
  }

  #describe(sockets: readonly ListeningSocket[]): Port[] {
    const unknown = sockets.map(({ inode }) => inode).filter((inode) => !this.#isKnown(inode));
    const found = socketOwners(new Set(unknown));
    const owners = sockets.map(({ inode }) => [inode, found.get(inode) ?? this.#owners.get(inode)] as const);
    this.#owners = new Map(owners);
    const runs = this.#runs.list().filter(({ child }) => child !== undefined);
    const byShim = new Map(runs.map(({ id, child }) => [child?.shimPid, id]));
    return sockets
      .map((socket) => {
        const { pid, command } = this.#owners.get(socket.inode) ?? {};
        return { ...socket, pid, command, runId: pid === undefined ? undefined : runOf(pid, byShim) };
      })
      .filter(({ pid }) => pid !== process.pid)
      .toSorted((a, b) => a.port - b.port || a.address.localeCompare(b.address));
  }

  /** All there are, then each that comes or goes, some at a time; the first time perhaps none. Ends when `signal` aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<PortEvent[]> {
    let known = new Map<number, Port>();
    let seen: ReadonlySet<number> | undefined;
    for (; !signal.aborted; await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined)) {
      const sockets = this.#sockets.list();
      // Who holds them is only asked when there is something new: most of the time there is not.
      if (seen?.size === sockets.length && sockets.every(({ inode }) => seen?.has(inode))) continue;
      const isFirst = seen === undefined;
      seen = new Set(sockets.map(({ inode }) => inode));
      const now = new Map(this.#describe(sockets).map((port) => [port.inode, port]));
      const closed = [...known.values()].filter(({ inode }) => !now.has(inode));
      const opened = [...now.values()].filter(({ inode }) => !known.has(inode));
      known = now;
      const events: PortEvent[] = [
        ...closed.map((port) => ({ type: "closed" as const, port })),
        ...opened.map((port) => ({ type: "opened" as const, port })),
      ];
      if (events.length > 0 || isFirst) yield events;
    }
  }

  [Symbol.dispose](): void {
    this.#sockets[Symbol.dispose]();
  }

  /** A child may have inherited a socket whose first owner is gone. */
  #isKnown(inode: number): boolean {
    const owner = this.#owners.get(inode);
    return owner ? isRunning(owner.pid) : this.#owners.has(inode);
  }
}

/** Every process of a run's tree is below its shim. */
function runOf(pid: number, byShim: ReadonlyMap<number | undefined, string>): string | undefined {
  let ancestor: number | undefined = pid;
  for (let depth = 0; depth < MAX_ANCESTORS && ancestor !== undefined && ancestor > 1; depth += 1) {
    const id = byShim.get(ancestor);
    if (id !== undefined) return id;
    ancestor = parentOf(ancestor);
  }
  return undefined;
}
