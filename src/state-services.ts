import { unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Config } from "./config.ts";
import type { ExecContext } from "./host/exec-context.ts";
import { exchangeableAt } from "./host/exchangeable.ts";
import { FrozenGroup } from "./host/frozen-group.ts";
import { canEnterDirectory } from "./host/permissions.ts";
import { ifThere } from "./host/remove-tree.ts";
import { findLeftState, makeStateDirectory, removeLeftState, type StateDirectory } from "./host/state-directory.ts";
import { StoppedProcesses } from "./host/stopped-processes.ts";
import { limitedSignal } from "./lib/abort.ts";
import { makeDirectories } from "./lib/make-directories.ts";
import type { Logger } from "./log.ts";

/** Longer than a million files take; what is still there then is the next start's. */
const REMOVE_LEFT_MS = 300_000;

/** The directory that the daemon keeps things in. */
export interface State extends Pick<StateDirectory, "path" | "self"> {
  logsDir: string;
  /** Removes what killed daemons have left beside it; until `signal` aborts. Never rejects. */
  removeLeft(signal: AbortSignal): Promise<void>;
}

/**
 * Makes the daemon's directory, gone when `stack` is disposed. Whoever a killed daemon has stopped by signals goes on. In the temporary directory what is
 * left is others' to clear away.
 */
export function createState(stack: AsyncDisposableStack, config: Config, log: Logger): State {
  const left = config.stateDir === undefined ? [] : findLeftState(config.stateDir, continueStopped);
  const { path, self } = stack.use(makeStateDirectory(config.stateDir, (kept, why) => warnOfKept(log, kept, why)));
  warnOfExchange(dirname(path), log);
  const logsDir = join(self, "logs");
  makeDirectories(logsDir, 0o700);
  return { path, self, logsDir, removeLeft: (signal) => removeLeft(left, { parent: dirname(path), log, signal }) };
}

/** Where a daemon notes in its directory whom it has stopped by signals. */
export function stopRecordIn(stateDir: string): string {
  return join(stateDir, "stopped");
}

/** What a killed daemon has frozen in a cgroup goes on. */
export function thawLeft(log: Logger): void {
  const processes = FrozenGroup.thawLeft();
  if (processes > 0) log.warn("thawed", { reason: "a daemon that was killed had frozen them", processes });
}

/** Those that a daemon has noted in the directory `self`; once. */
function continueStopped(self: string): void {
  const record = stopRecordIn(self);
  StoppedProcesses.left(record).release();
  ifThere(() => unlinkSync(record));
}

async function removeLeft(
  paths: readonly string[],
  { parent, log, signal }: { parent: string; log: Logger; signal: AbortSignal },
): Promise<void> {
  // Not of `AbortSignal.timeout`: nobody would hold it, and with the next collection of garbage the limit would be gone.
  using limited = limitedSignal(signal, REMOVE_LEFT_MS);
  const limit = limited.signal;
  let count = 0;
  for (const path of paths) {
    if (limit.aborted) break;
    const removed = await removeLeftState(path, limit);
    if (removed?.why !== undefined) warnOfKept(log, path, removed.why);
    else if (removed) count += 1;
  }
  if (count > 0) log.info("state_dir.leftovers_removed", { path: parent, count });
}

function warnOfKept(log: Logger, path: string, why: string): void {
  log.warn("state_dir.not_removed", { path, detail: why });
}

/** Root's own calls stay in the directory that it has made (they go by its descriptor), but kernels and git are reached by its name. */
function warnOfExchange(parent: string, log: Logger): void {
  if (process.geteuid?.() !== 0) return;
  const place = exchangeableAt(parent);
  if (place === undefined) return;
  const fix = `chmod +t ${place}, if it is root's, or name a directory that only root can change with --state-dir`;
  const detail = `users can rename what is in ${place}, and so put something else in the place of guestd's directory: kernels, their pipes and git's socket would be made there by root; ${fix}`;
  log.warn("state_dir.exchangeable", { path: parent, detail });
}

/** When programs have nobody to run as, or that one cannot enter what drivers of kernels, and what git asks with, lie in. */
export function warnOfDefaultUser(stateDir: string, { exec, log }: { exec: ExecContext; log: Logger }): void {
  const fault = exec.defaultUserFault;
  if (fault) return log.warn("default_user.unknown", { detail: `${fault.why}: ${fault.fix}` });
  const user = exec.defaultUser;
  if (canEnterDirectory(user, stateDir)) return;
  const detail = `${user.name} cannot enter it: kernels and git may fail; name another with --state-dir`;
  log.warn("state_dir.private", { path: stateDir, detail });
}
