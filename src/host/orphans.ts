import { errnoText } from "../errors.ts";
import { becomeSubreaper, reap } from "./libc.ts";
import { childrenOf, descendantsOf, processState, sessionOf } from "./process-tree.ts";

/** Libuv reaps its own children within this; whoever is still a zombie then is nobody's. */
const SWEEP_MS = 1000;
/** What is not so where nobody may become a subreaper: the shims may not, either, so even a daemon that is process 1 lacks something. */
export const WITHOUT_SUBREAPERS =
  "what outlives its parent becomes a child of process 1: its run neither knows of it nor sees it end, and signals and stops do not reach it";

/**
 * What becomes our child without our doing: everything, where guestd is process 1, and what a killed shim leaves behind.
 * Ended ones are reaped a second later, when it is certain that nobody else waits for them.
 */
export class Orphans implements Disposable {
  /** Why this process and the shims, which are what it is, cannot adopt orphans; undefined where they can. */
  readonly refusal: string | undefined;
  readonly #isOurs: (pid: number) => boolean;
  #suspects: ReadonlySet<number> = new Set();
  #timer: NodeJS.Timeout | undefined;

  /** @param isOurs whether a child is one that we started and wait for */
  constructor(isOurs: (pid: number) => boolean) {
    this.#isOurs = isOurs;
    this.refusal = refusalOfSubreaper();
  }

  /** Some child has changed its state. */
  noteChild(): void {
    this.#timer ??= setTimeout(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** Kills what is left of the session of a program whose shim is gone: nobody watches it any more. */
  endSession(leader: number): void {
    for (const pid of descendantsOf(process.pid)) {
      if (sessionOf(pid) === leader) tryKill(pid);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #sweep(): void {
    this.#timer = undefined;
    const zombies = childrenOf(process.pid).filter((pid) => !this.#isOurs(pid) && processState(pid) === "Z");
    const left = zombies.filter((pid) => !this.#suspects.has(pid) || reap(pid) === undefined);
    this.#suspects = new Set(left);
    if (left.length > 0) this.noteChild();
  }
}

function refusalOfSubreaper(): string | undefined {
  try {
    becomeSubreaper();
    return undefined;
  } catch (error) {
    return `prctl(PR_SET_CHILD_SUBREAPER): ${errnoText(error)}`;
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has gone meanwhile
  }
}
