import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ChildExit } from "../../../src/host/child.ts";
import { Launcher, type ProgramSpec } from "../../../src/host/launcher.ts";
import type { ProgramChild } from "../../../src/host/program-child.ts";
import { childrenOf } from "../../../src/host/process-tree.ts";
import { Users } from "../../../src/host/users.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

export const isRoot = process.geteuid?.() === 0;
export const users = new Users();
export const SHIM = join(REPOSITORY, "dist", "guestd-shim");

/** A program that was started, with what it has said so far. */
export interface Started {
  child: ProgramChild;
  /** Everything so far, as Latin-1: one character a byte. */
  text(stream: "stdout" | "stderr"): string;
  /** Resolves when `pattern` was printed. */
  said(pattern: RegExp, stream?: "stdout" | "stderr"): Promise<RegExpExecArray>;
  exit: Promise<ChildExit>;
}

export function createLauncher(): Launcher {
  return new Launcher({ shimPath: SHIM });
}

/** Starts a program; it runs as this process's own user in `/`, without input, unless `spec` says otherwise. */
export async function start(
  launcher: Launcher,
  argv: readonly [string, ...string[]],
  spec: Partial<ProgramSpec> = {},
): Promise<Started> {
  const pieces = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  const program = { env: { PATH: "/usr/bin:/bin" }, cwd: "/", identity: users.self(), hasStdin: false, ...spec, argv };
  const child = await launcher.start(program, (stream, bytes) => {
    if (stream !== "pty") pieces[stream] += Buffer.from(bytes).toString("latin1");
    for (const watch of watchers) watch();
    return true;
  });
  return {
    child,
    text: (stream) => pieces[stream],
    said: (pattern, stream = "stdout") =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = pattern.exec(pieces[stream]);
          if (!found) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    exit: child.exit,
  };
}

/** Runs a shell script to its end. */
export async function runScript(
  launcher: Launcher,
  script: string,
  spec: Partial<ProgramSpec> = {},
): Promise<{ stdout: string; stderr: string; exit: ChildExit }> {
  const program = await start(launcher, ["/bin/sh", "-c", script], spec);
  const exit = await program.exit;
  program.child[Symbol.dispose]();
  return { stdout: program.text("stdout"), stderr: program.text("stderr"), exit };
}

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length - 1;
}

/** Our own children, zombies included. */
export function ownChildren(): number[] {
  return childrenOf(process.pid);
}
