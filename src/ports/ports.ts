import { type ListeningSocket, ListeningSockets } from "../host/listening-sockets.ts";
import { isRunning, parentOf } from "../host/process-tree.ts";
import { type SocketOwner, socketOwners } from "../host/socket-owners.ts";
import type { Runs } from "../runs/runs.ts";
import type { Port } from "./types.ts";

/** Deeper than any tree of processes. */
const MAX_ANCESTORS = 100;

export interface PortsOptions {
  runs: Runs;
  /** Code contexts, with the shim that everything their kernels start is below. */
  contexts: () => readonly { id: string; shimPid: number | undefined }[];
}

/** Ports that programs listen on, guestd's own left out. */
export class Ports implements Disposable {
  readonly #sockets = new ListeningSockets();
  readonly #options: PortsOptions;
  /** Who held a socket when it was first seen. */
  #owners = new Map<number, SocketOwner | undefined>();

  constructor(options: PortsOptions) {
    this.#options = options;
  }

  /** In order of their numbers. */
  async list(): Promise<Port[]> {
    return this.describe(this.sockets());
  }

  /** Everything that listens: one question to the kernel. The same array as before when nothing has changed. */
  sockets(): readonly ListeningSocket[] {
    return this.#sockets.list();
  }

  /** Those of `sockets` that are not our own, with who they belong to, in order of their numbers. */
  async describe(sockets: readonly ListeningSocket[]): Promise<Port[]> {
    const unknown = sockets.map(({ inode }) => inode).filter((inode) => !this.#isKnown(inode));
    const found = await socketOwners(new Set(unknown));
    const owners = new Map(sockets.map(({ inode }) => [inode, found.get(inode) ?? this.#owners.get(inode)]));
    this.#owners = owners;
    const places = this.#places();
    return sockets
      .map((socket) => {
        const { pid, command } = owners.get(socket.inode) ?? {};
        return { ...socket, pid, command, ...placeOf(pid, places) };
      })
      .filter(({ pid }) => pid !== process.pid)
      .toSorted((a, b) => a.port - b.port || a.address.localeCompare(b.address));
  }

  [Symbol.dispose](): void {
    this.#sockets[Symbol.dispose]();
  }

  /** A child may have inherited a socket whose first owner is gone. */
  #isKnown(inode: number): boolean {
    const owner = this.#owners.get(inode);
    return owner ? isRunning(owner.pid) : this.#owners.has(inode);
  }

  /** By shim, what its tree belongs to. */
  #places(): Map<number, Place> {
    const { runs, contexts } = this.#options;
    const ofRuns = runs.list().map(({ id, child }) => [child?.shimPid, { runId: id }] as const);
    const ofContexts = contexts().map(({ id, shimPid }) => [shimPid, { contextId: id }] as const);
    const all = [...ofRuns, ...ofContexts].flatMap(([shimPid, place]) =>
      shimPid === undefined ? [] : [[shimPid, { ...NO_PLACE, ...place }] as const],
    );
    return new Map(all);
  }
}

type Place = Pick<Port, "runId" | "contextId">;

const NO_PLACE: Place = { runId: undefined, contextId: undefined };

/** Every process of a tree is below its shim, and that is below us. */
function placeOf(pid: number | undefined, places: ReadonlyMap<number, Place>): Place & Pick<Port, "isOurs"> {
  let place: Place | undefined;
  for (let depth = 0, next = pid; depth < MAX_ANCESTORS && next !== undefined && next > 0; depth += 1) {
    if (next === process.pid) return { ...(place ?? NO_PLACE), isOurs: true };
    place ??= places.get(next);
    next = parentOf(next);
  }
  return { ...(place ?? NO_PLACE), isOurs: false };
}
