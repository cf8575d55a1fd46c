import { setTimeout as pause } from "node:timers/promises";
import { ListeningSockets } from "../host/listening-sockets.ts";
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
    const sockets = this.#sockets.list();
    const unknown = sockets.map(({ inode }) => inode).filter((inode) => !this.#isKnown(inode));
    const found = socketOwners(new Set(unknown));
    const owners = sockets.map(({ inode }) => [inode, found.get(inode) ?? this.#owners.get(inode)] as const);
    this.#owners = new Map(owners);
    return sockets
      .map((socket) => {
        const { pid, command } = this.#owners.get(socket.inode) ?? {};
        return { ...socket, pid, command, runId: pid === undefined ? undefined : this.#runOf(pid) };
      })
      .filter(({ pid }) => pid !== process.pid)
      .toSorted((a, b) => a.port - b.port || a.address.localeCompare(b.address));
  }

  /** All there are, then each that comes or goes, some at a time; the first time perhaps none. Ends when `signal` aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<PortEvent[]> {
    let known = new Map<number, Port>();
    let isFirst = true;
    while (!signal.aborted) {
      const now = new Map(this.list().map((port) => [port.inode, port]));
      const closed = [...known.values()].filter(({ inode }) => !now.has(inode));
      const opened = [...now.values()].filter(({ inode }) => !known.has(inode));
      known = now;
      const events: PortEvent[] = [
        ...closed.map((port) => ({ type: "closed" as const, port })),
        ...opened.map((port) => ({ type: "opened" as const, port })),
      ];
      if (events.length > 0 || isFirst) yield events;
      isFirst = false;
      await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
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

  /** Every process of a run's tree is below its shim. */
  #runOf(pid: number): string | undefined {
    const live = this.#runs.list().filter(({ child }) => child !== undefined);
    const byShim = new Map(live.map(({ id, child }) => [child?.shimPid, id]));
    let ancestor: number | undefined = pid;
    for (let depth = 0; depth < MAX_ANCESTORS && ancestor !== undefined && ancestor > 1; depth += 1) {
      const id = byShim.get(ancestor);
      if (id !== undefined) return id;
      ancestor = parentOf(ancestor);
    }
    return undefined;
  }
}
