import type { Config } from "./config.ts";
import type { ExecContext } from "./host/exec-context.ts";
import { canEnterDirectory } from "./host/permissions.ts";
import { makeStateDirectory, removeLeftState } from "./host/state-directory.ts";
import type { Logger } from "./log.ts";

/** The directory that the daemon keeps things in, gone when `stack` is disposed. */
export function createState(stack: AsyncDisposableStack, config: Config, log: Logger): string {
  if (config.stateDir !== undefined) removeOldState(config.stateDir, log);
  return stack.use(makeStateDirectory(config.stateDir)).path;
}

/** Of daemons that were killed. In the temporary directory it is others' to clear away. */
function removeOldState(parent: string, log: Logger): void {
  const count = removeLeftState(parent);
  if (count > 0) log.info("state_dir.leftovers_removed", { path: parent, count });
}

/** Drivers of kernels, and what git asks with, lie there for the programs' user. */
export function warnOfPrivateState(
  stateDir: string,
  config: Config,
  { exec, log }: { exec: ExecContext; log: Logger },
): void {
  const name = config.defaultUser;
  const user = name === undefined ? exec.defaultUser : exec.users.find(name);
  if (!user || canEnterDirectory(user, stateDir)) return;
  const detail = `${user.name} cannot enter it: kernels and git may fail; name another with --state-dir`;
  log.warn("state_dir.private", { path: stateDir, detail });
}
