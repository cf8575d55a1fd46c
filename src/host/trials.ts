import { delay } from "../lib/abort.ts";
import type { Capability } from "./capabilities.ts";
import type { ExecContext } from "./exec-context.ts";
import type { Launcher } from "./launcher.ts";
import { INSTALL_AGAIN } from "./package-root.ts";
import { terminateTree } from "./process-group.ts";

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

/** What a program prints, or why it does not. */
async function trial(
  launcher: Launcher,
  exec: ExecContext,
  argv: readonly [string, ...string[]],
): Promise<{ printed: string } | { why: string }> {
  const output = { stdout: "", stderr: "" };
  try {
    const env = exec.environment(exec.defaultUser);
    const program = { argv, env, cwd: "/", identity: exec.defaultUser, hasStdin: false };
    using child = await launcher.start(program, (stream, bytes) => {
      output[stream === "stderr" ? "stderr" : "stdout"] += Buffer.from(bytes).toString("utf8");
      return true;
    });
    const exit = await Promise.race([child.exit, delay(TRIAL_MS)]);
    if (!exit) {
      await terminateTree(child, { signal: "SIGKILL", graceMs: 0, killWaitMs: 1000 });
      return { why: `${argv[0]}: no end within ${TRIAL_MS / 1000} s` };
    }
    if (exit.status && "code" in exit.status && exit.status.code === 0) return { printed: output.stdout.trim() };
    return { why: output.stderr.trim() || `${argv[0]} ended with ${JSON.stringify(exit.status)}` };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
