import { join } from "node:path";
import type { Config } from "./config.ts";
import type { ExecContext } from "./host/exec-context.ts";
import { FrozenGroup } from "./host/frozen-group.ts";
import { canEnterDirectory } from "./host/permissions.ts";
import { makeStateDirectory, removeLeftState } from "./host/state-directory.ts";
import { StoppedProcesses } from "./host/stopped-processes.ts";
import type { Logger } from "./log.ts";

/** The directory that the daemon keeps things in, gone when `stack` is disposed. */
export function createState(stack: AsyncDisposableStack, config: Config, log: Logger): string {
  if (config.stateDir !== undefined) removeOldState(config.stateDir, log);
  return stack.use(makeStateDirectory(config.stateDir)).path;
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

/** Of daemons that were killed. In the temporary directory it is others' to clear away. */
function removeOldState(parent: string, log: Logger): void {
  const count = removeLeftState(parent, (path) => StoppedProcesses.left(stopRecordIn(path)).release());
  if (count > 0) log.info("state_dir.leftovers_removed", { path: parent, count });
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
