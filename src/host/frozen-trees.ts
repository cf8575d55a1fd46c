import { delay } from "../lib/abort.ts";
import type { FrozenGroup } from "./frozen-group.ts";
import { childrenOf, isRunning, processState } from "./process-tree.ts";
import { isStopped, StoppedProcesses } from "./stopped-processes.ts";

/** What became of trees that were to be frozen. */
export interface TreeCounts {
  visited: number;
  /** There were more than were to be looked at: those run. */
  truncated: boolean;
  /** All of it was stopped before. */
  preFrozen: number;
  requested: number;
  frozen: number;
  /** Some of it still runs: it waits for a disk, say, and will stop when it comes back. */
  notFrozen: number;
  /** Some of it cannot be stopped: it is another user's. */
  failed: number;
  /** Nothing of it is left. */
  unobservable: number;
}

/** What was found when things were thawed, in processes. */
export interface FreezeAudit {
  visited: number;
  frozen: number;
  /** Those that ran though they should not have, since nothing held them … */
  escaped: number;
  /** … or in spite of that. */
  violations: number;
  truncated: boolean;
}

/** How long the processes of one level may take to stop before their children are. */
const SETTLE_MS = 100;
const POLL_MS = 1;

/**
 * The processes that are held while things are frozen: all that descend from shims. Shims themselves go on, to report who is killed;
 * one that is still executing its program is held in that, and reports when it is let go.
 */
export class FrozenTrees {
  readonly #group: FrozenGroup | undefined;
  readonly #stopped: StoppedProcesses;
  /** Somebody else has stopped them: they are not ours to continue. */
  readonly #stoppedBefore = new Set<number>();
  readonly #unreachable = new Set<number>();

  /** @param recordPath as {@link StoppedProcesses} has it */
  constructor(group: FrozenGroup | undefined, recordPath?: string) {
    this.#group = group;
    this.#stopped = new StoppedProcesses(recordPath);
  }

  /** Whether some are, or all would be, held by signals: those from outside would be mistaken for ours. */
  get isBySignals(): boolean {
    return this.#group === undefined || this.#stopped.size > 0;
  }

  /** Holds whoever runs in the trees of `shims`. @returns how many were not held before */
  async sweep(shims: readonly number[], maxTrees: number): Promise<number> {
    const members = this.#group?.members();
    const all = new Set(shims);
    const found = await Promise.all(shims.slice(0, maxTrees).map((shim) => this.#sweepTree(shim, all, members)));
    return found.reduce((sum, count) => sum + count, 0);
  }

  /** How far the trees of `shims` have come. */
  count(shims: readonly number[], maxTrees: number): TreeCounts {
    const members = this.#group?.members();
    const isGroupFrozen = this.#group?.isFrozen ?? true;
    const counts = { visited: 0, preFrozen: 0, requested: 0, frozen: 0, notFrozen: 0, failed: 0, unobservable: 0 };
    const all = new Set(shims);
    for (const shim of shims.slice(0, maxTrees)) {
      const alive = this.#programsOf(shim, all).filter(isRunning);
      counts.visited += 1;
      if (alive.length === 0) counts.unobservable += 1;
      else if (alive.every((pid) => this.#stoppedBefore.has(pid))) counts.preFrozen += 1;
      else {
        counts.requested += 1;
        if (alive.some((pid) => this.#unreachable.has(pid))) counts.failed += 1;
        else if (alive.every((pid) => (members?.has(pid) ? isGroupFrozen : isStopped(pid)))) counts.frozen += 1;
        else counts.notFrozen += 1;
      }
    }
    return { ...counts, truncated: shims.length > maxTrees };
  }

  /** Who runs in spite of all, at the end. */
  audit(shims: readonly number[], maxTrees: number): FreezeAudit {
    const members = this.#group?.members();
    const isGroupFrozen = this.#group?.isFrozen ?? true;
    const audit = { visited: 0, frozen: 0, escaped: 0, violations: 0, truncated: shims.length > maxTrees };
    const all = new Set(shims);
    const looked = shims.slice(0, maxTrees);
    for (const pid of looked.flatMap((shim) => this.#programsOf(shim, all)).filter(isRunning)) {
      const isMember = members?.has(pid) === true;
      audit.visited += 1;
      if (isMember ? isGroupFrozen : isStopped(pid)) audit.frozen += 1;
      else if (isMember || this.#stopped.has(pid)) audit.violations += 1;
      else audit.escaped += 1;
    }
    return audit;
  }

  /** They go on; whoever was stopped before does not. */
  release(): void {
    this.#stopped.release();
    this.#group?.release();
  }

  /** Parents first, and their children when they have stopped: no shell is awake to see its job stopped. */
  async #sweepTree(
    shim: number,
    shims: ReadonlySet<number>,
    members: ReadonlySet<number> | undefined,
  ): Promise<number> {
    let found = 0;
    for (let level = childrenOf(shim); level.length > 0; level = this.#childrenOf(level, shims)) {
      const held = level.filter((pid) => !members?.has(pid) && !shims.has(pid) && this.#hold(pid));
      found += held.length;
      // In a group the kernel sees to that.
      await settled(held.filter((pid) => this.#stopped.has(pid)));
    }
    return found;
  }

  /** Whether it was not held and now is. */
  #hold(pid: number): boolean {
    if (!isRunning(pid)) return false;
    const wasStopped = isStopped(pid);
    if (wasStopped && !this.#stopped.has(pid)) this.#stoppedBefore.add(pid);
    if (this.#group?.add(pid)) return true;
    if (wasStopped) return false;
    // One that still runs, or was continued by somebody, is stopped again, but is none that we did not know of.
    const isKnown = this.#stopped.has(pid);
    if (this.#stopped.stop(pid)) return !isKnown;
    if (isRunning(pid)) this.#unreachable.add(pid);
    return false;
  }

  /** All processes of a tree but shims. */
  #programsOf(shim: number, shims: ReadonlySet<number>): number[] {
    const found: number[] = [];
    for (let level = childrenOf(shim); level.length > 0; level = this.#childrenOf(level, shims)) found.push(...level);
    return found.filter((pid) => !shims.has(pid));
  }

  /** A fork server's kernels are trees of their own. */
  #childrenOf(level: readonly number[], shims: ReadonlySet<number>): number[] {
    return level.filter((pid) => !shims.has(pid)).flatMap(childrenOf);
  }
}

/**
 * Resolves when signals have taken effect. One that has just called vfork stops when its child has executed a program, which needs
 * this moment to do so; one that waits for a disk stops when that has answered, and is not waited for.
 */
async function settled(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  while (pids.some(isMoving) && performance.now() < deadline) await delay(POLL_MS);
}

function isMoving(pid: number): boolean {
  return ["R", "S", "D"].includes(processState(pid) ?? "");
}
