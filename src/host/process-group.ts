import { constants } from "node:os";
import { errnoName, fromErrno, SandboxError } from "../errors.ts";
import { delay } from "../lib/abort.ts";
import { awakeClock } from "../lib/awake-clock.ts";
import { killInCgroup } from "./cgroup-kill.ts";
import type { SignalName } from "./child.ts";
import { descendantsOf, isRunning, processGroupOf, processState } from "./process-tree.ts";

/** Whom a signal is for: the program itself, its process group, or everything that descends from it. */
export type SignalScope = "leader" | "group" | "tree";

/** A program and what descends from its shim. */
export interface ProcessTree {
  readonly pid: number;
  readonly shimPid: number;
  readonly hasEnded: boolean;
  /** Resolves when nothing is left. */
  readonly gone: Promise<void>;
}

/** What became of a signal. */
export interface SignalReport {
  /** Processes it was sent to. */
  signaled: readonly number[];
  /** Those of them that still run after the waiting time. */
  survivors: readonly number[];
}

const POLL_MS = 5;
/** A tree that outlives this many signals to everybody in it forks faster than we look. */
const ROUNDS_BEFORE_CGROUP = 3;

/** A signal by name (`SIGTERM`, `TERM`) or number. @throws SandboxError invalid_argument */
export function parseSignal(text: string): SignalName {
  const upper = text.trim().toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  if (name in constants.signals) return name as SignalName;
  const byNumber = Object.entries(constants.signals).find(([, number]) => String(number) === upper)?.[0];
  if (byNumber) return byNumber as SignalName;
  throw new SandboxError("invalid_argument", `unknown signal ${JSON.stringify(text)}`, {
    hint: "use a name such as SIGTERM or SIGINT",
  });
}

/**
 * Sends `signal` and watches for at most `waitMs` whether its targets go away.
 * Group and tree reach what the program left behind too, also after its own end; SIGKILL for the tree who is born meanwhile too.
 * @throws SandboxError not_found when there is nobody in that scope, permission_denied when nobody there may be signalled
 */
export async function signalProcess(
  child: ProcessTree,
  signal: SignalName,
  options: { scope: SignalScope; waitMs: number },
): Promise<SignalReport> {
  const end = await followEnd(child);
  const targets = end.isGone ? [] : targetsOf(child, options.scope);
  if (targets.length === 0) {
    throw new SandboxError("not_found", `process ${child.pid} has ended and its ${options.scope} is empty`, {
      reason: "process_not_found",
    });
  }
  const signaled = new Set(sendTo(child, targets, signal, options.scope));
  const alive = signaled.size > 0 ? undefined : targets.find(isRunning);
  if (alive !== undefined) {
    throw new SandboxError("permission_denied", `not permitted to send ${signal} to process ${alive}`);
  }
  const deadline = awakeClock.now() + options.waitMs;
  if (signal === "SIGKILL" && options.scope === "tree") {
    await killTree(child, end, { deadline, reached: signaled });
    return { signaled: [...signaled], survivors: end.isGone ? [] : targetsOf(child, "tree") };
  }
  // A zombie counts as there: whoever asks next must not find the process any more.
  while (targets.some((pid) => processState(pid) !== undefined) && awakeClock.now() < deadline) {
    await delay(POLL_MS);
  }
  return { signaled: [...signaled], survivors: targets.filter(isRunning) };
}

/**
 * Ends a program and everything that descends from it: `signal`, then after `graceMs` SIGKILL.
 * @returns who is left after `killWaitMs` more, normally nobody
 */
export async function terminateTree(
  child: ProcessTree,
  options: { signal: SignalName; graceMs: number; killWaitMs: number },
): Promise<readonly number[]> {
  const end = await followEnd(child);
  if (options.graceMs > 0 && !end.isGone) {
    sendTo(child, targetsOf(child, "tree"), options.signal, "tree");
    await Promise.race([child.gone, delay(options.graceMs)]);
  }
  await killTree(child, end, { deadline: awakeClock.now() + options.killWaitMs, reached: new Set() });
  return end.isGone ? [] : targetsOf(child, "tree");
}

/**
 * SIGKILL for a whole tree, repeated for what is born meanwhile and until the shim says that nothing is left: a walk of /proc
 * misses who is forked during it. Adds everybody it reached to `reached`.
 */
async function killTree(
  child: ProcessTree,
  end: { readonly isGone: boolean },
  { deadline, reached }: { deadline: number; reached: Set<number> },
): Promise<void> {
  using stack = new DisposableStack();
  for (let round = 0; !end.isGone && awakeClock.now() < deadline; round += 1) {
    for (const pid of sendTo(child, targetsOf(child, "tree"), "SIGKILL", "tree")) reached.add(pid);
    if (round === ROUNDS_BEFORE_CGROUP) stack.use(killInCgroup(child.shimPid));
    await Promise.race([child.gone, delay(POLL_MS)]);
  }
}

/**
 * Whether nothing of the tree is left, now and later. The numbers of a tree that is gone may be anybody's: they are never looked
 * at again.
 */
async function followEnd(child: ProcessTree): Promise<{ readonly isGone: boolean }> {
  const end = { isGone: false };
  void child.gone.then(() => (end.isGone = true));
  // One turn of the microtasks: by then the above was called if it can be.
  await Promise.resolve();
  return end;
}

/** Live processes in a scope. A pid is only used while the shim, its ancestor, keeps it from being anybody else's. */
function targetsOf(child: ProcessTree, scope: SignalScope): number[] {
  if (scope === "leader") return child.hasEnded ? [] : [child.pid];
  const tree = descendantsOf(child.shimPid).filter(isRunning);
  if (scope === "tree") return tree;
  return tree.filter((pid) => processGroupOf(pid) === child.pid);
}

/** Sends to all targets, their group in one call so that nobody forks out of it. Returns who was reached. */
function sendTo(child: ProcessTree, targets: readonly number[], signal: SignalName, scope: SignalScope): number[] {
  // Looked up before anybody is hit: who dies of it has no group any more.
  const group = new Set(scope === "leader" ? [] : targets.filter((pid) => processGroupOf(pid) === child.pid));
  const isGroupReached = group.size > 0 && send(-child.pid, signal);
  return targets.filter((pid) => (group.has(pid) ? isGroupReached : send(pid, signal)));
}

/** Whether the signal was delivered; false for a target that is gone or not ours to signal. */
function send(pid: number, signal: SignalName): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    const name = errnoName(error);
    if (name === "ESRCH" || name === "EPERM") return false;
    throw fromErrno(error, `cannot send ${signal} to process ${pid}`);
  }
}
