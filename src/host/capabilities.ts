import { accessSync, constants, readFileSync } from "node:fs";
import { writableCgroup } from "./cgroup.ts";
import type { ExecContext } from "./exec-context.ts";
import type { Launcher } from "./launcher.ts";
import { WITHOUT_SUBREAPERS } from "./orphans.ts";
import { INSTALL_AGAIN } from "./package-root.ts";

/** Something the daemon may be able to do here, or why not and what would help. */
export type Capability = { name: string } & (
  | { isAvailable: true; detail?: string }
  | { isAvailable: false; why: string; fix: string }
);

/** Looks at what this machine and this process allow; changes nothing and starts nothing. */
export async function findCapabilities(launcher: Launcher, exec: ExecContext): Promise<Capability[]> {
  return [shim(launcher), users(launcher, exec), orphans(launcher), await terminals(), inotify(), cgroup()];
}

function shim(launcher: Launcher): Capability {
  try {
    launcher.checkShim();
    return { name: "processes", isAvailable: true, detail: launcher.shimPath };
  } catch (error) {
    return { name: "processes", isAvailable: false, why: messageOf(error), fix: INSTALL_AGAIN };
  }
}

function users(launcher: Launcher, exec: ExecContext): Capability {
  const fault = exec.defaultUserFault;
  if (fault) return { name: "users", isAvailable: false, ...fault };
  const { name } = exec.users.self();
  if (launcher.canSwitchUser)
    return { name: "users", isAvailable: true, detail: `guestd is ${name}: programs can run as any user` };
  const why = `guestd runs as ${name}, not as root: programs run as ${name} only`;
  return { name: "users", isAvailable: false, why, fix: "start guestd as root" };
}

function orphans({ orphansRefusal: refusal }: Launcher): Capability {
  if (refusal === undefined) return { name: "orphans", isAvailable: true };
  const fix = "allow prctl(PR_SET_CHILD_SUBREAPER) in the seccomp profile";
  return { name: "orphans", isAvailable: false, why: `${refusal}; ${WITHOUT_SUBREAPERS}`, fix };
}

async function terminals(): Promise<Capability> {
  try {
    await import("node-pty");
    accessSync("/dev/ptmx", constants.R_OK | constants.W_OK);
    return { name: "terminals", isAvailable: true };
  } catch (error) {
    return {
      name: "terminals",
      isAvailable: false,
      why: messageOf(error),
      fix: `mount /dev/pts, or ${INSTALL_AGAIN}`,
    };
  }
}

function inotify(): Capability {
  try {
    const watches = readFileSync("/proc/sys/fs/inotify/max_user_watches", "latin1").trim();
    return { name: "inotify", isAvailable: true, detail: `${watches} watches a user` };
  } catch (error) {
    return {
      name: "inotify",
      isAvailable: false,
      why: messageOf(error),
      fix: "a kernel with inotify; watching falls back to polling",
    };
  }
}

function cgroup(): Capability {
  const directory = writableCgroup();
  if (directory !== undefined) return { name: "cgroup", isAvailable: true, detail: directory };
  const fix = "mount cgroup2 writable for guestd (delegation); without it runs are told apart by their process trees";
  return { name: "cgroup", isAvailable: false, why: "no cgroup (v2) that guestd may write to", fix };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
