import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writableCgroup } from "./cgroup.ts";
import { tryLockFile } from "./libc-lock.ts";
import { startTimeOf } from "./process-tree.ts";

/** Emptied this often at most: what is born in it meanwhile is born frozen no more. */
const MAX_ROUNDS = 100;
const NAME = /^guestd-freeze-\d+-[\da-f]{8}$/;

/**
 * A cgroup (v2) whose members do not run. Unlike a stop by signal, nobody can tell that they did not: no parent hears of it, and
 * nothing but SIGKILL reaches them.
 */
export class FrozenGroup {
  readonly #parent: string;
  readonly #folder: string;
  /** What /proc says of who is in our own group, and of who is in this one. */
  readonly #ownPath = pathOf("self");
  readonly #path: string;
  /** Held as long as there is somebody to thaw it: the kernel lets go of it however we end. */
  #lock: number | undefined;

  private constructor(parent: string, name = `guestd-freeze-${process.pid}-${randomUUID().slice(0, 8)}`) {
    this.#parent = parent;
    this.#folder = join(parent, name);
    this.#path = join(this.#ownPath ?? "", name);
  }

  /**
   * An empty one; undefined where there is no writable cgroup, or its kernel cannot freeze any (before 5.2), or it cannot be locked: the
   * next daemon to start here would thaw it, if one that starts right now has not already.
   */
  static open(): FrozenGroup | undefined {
    const parent = writableCgroup();
    if (parent === undefined) return undefined;
    const group = new FrozenGroup(parent);
    try {
      // Whoever can open it can hold its lock, and nobody would ever thaw it.
      mkdirSync(group.#folder, 0o700);
      if (group.#tryLock()) {
        writeFileSync(join(group.#folder, "cgroup.freeze"), "1");
        return group;
      }
    } catch {
      // read-only, or no groups may be made here
    }
    group.#remove();
    return undefined;
  }

  /** Thaws those in our own group whose daemon was killed before it did. @returns how many processes go on */
  static thawLeft(): number {
    const parent = writableCgroup();
    if (parent === undefined) return 0;
    let count = 0;
    for (const name of namesIn(parent).filter((each) => NAME.test(each))) {
      const group = new FrozenGroup(parent, name);
      if (!group.#tryLock()) continue;
      count += group.members().size;
      group.release();
    }
    return count;
  }

  /**
   * Freezes a process that is in our own group, unless it was born in this one. False for one that was put elsewhere (a container in the
   * sandbox), or is gone.
   */
  add(pid: number): boolean {
    const path = pathOf(pid);
    if (path === this.#path) return true;
    if (path === undefined || path !== this.#ownPath) return false;
    const startTime = startTimeOf(pid);
    if (startTime === undefined || !tryWrite(join(this.#folder, "cgroup.procs"), String(pid))) return false;
    if (startTimeOf(pid) === startTime) return true;
    // It ended in this moment, and whoever has its number now was not meant.
    tryWrite(join(this.#parent, "cgroup.procs"), String(pid));
    return false;
  }

  members(): ReadonlySet<number> {
    try {
      return new Set(
        readFileSync(join(this.#folder, "cgroup.procs"), "latin1").split("\n").filter(Boolean).map(Number),
      );
    } catch {
      return new Set(); // somebody else has removed it
    }
  }

  /** Whether none of its members runs any more. */
  get isFrozen(): boolean {
    try {
      return readFileSync(join(this.#folder, "cgroup.events"), "latin1").includes("frozen 1");
    } catch {
      return true; // there is none
    }
  }

  /** Its members go on, in our own group again; it is removed. */
  release(): void {
    tryWrite(join(this.#folder, "cgroup.freeze"), "0");
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const members = this.members();
      if (members.size === 0) break;
      for (const pid of members) tryWrite(join(this.#parent, "cgroup.procs"), String(pid));
    }
    this.#remove();
  }

  /** False when somebody else holds it, or it is gone. */
  #tryLock(): boolean {
    try {
      const fd = openSync(this.#folder, "r");
      if (tryLockFile(fd)) this.#lock = fd;
      else closeSync(fd);
    } catch {
      // it is gone, or there are too many open files
    }
    return this.#lock !== undefined;
  }

  #remove(): void {
    try {
      rmdirSync(this.#folder);
    } catch {
      // somebody in it is still dying: an empty group left behind costs nothing
    }
    if (this.#lock !== undefined) closeSync(this.#lock);
    this.#lock = undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // it is not ours to read
  }
}

function pathOf(pid: number | "self"): string | undefined {
  try {
    return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
  } catch {
    return undefined; // it is gone
  }
}

function tryWrite(file: string, text: string): boolean {
  try {
    writeFileSync(file, text);
    return true;
  } catch {
    return false; // that process is gone, or may not be moved
  }
}
