import type { Capability } from "./capabilities.ts";
import type { ExecContext } from "./exec-context.ts";
import type { Launcher } from "./launcher.ts";
import { INSTALL_AGAIN } from "./package-root.ts";
import { type TrialOutcome, tryProgram } from "./trial.ts";

const TRIAL_MS = 5000;

/** Starts what others only look at: a program as the default user, and git. */
export async function tryPrograms(launcher: Launcher, exec: ExecContext): Promise<Capability[]> {
  const shell = await trial(launcher, exec, ["/bin/sh", "-c", "echo it runs"]);
  if ("why" in shell) return [{ name: "processes", isAvailable: false, why: shell.why, fix: INSTALL_AGAIN }];
  const git = await trial(launcher, exec, ["git", "--version"]);
  return [
    { name: "processes", isAvailable: true, detail: launcher.shimPath },
    "why" in git
      ? { name: "git", isAvailable: false, why: git.why, fix: "install git; without it /v1/git and the SDKs' git fail" }
      : { name: "git", isAvailable: true, detail: git.printed.replace("git version ", "") },
  ];
}

function trial(launcher: Launcher, exec: ExecContext, argv: readonly [string, ...string[]]): Promise<TrialOutcome> {
  const identity = exec.defaultUser;
  const program = { argv, env: exec.environment(identity), cwd: "/", identity, hasStdin: false };
  return tryProgram(launcher, program, TRIAL_MS);
}
