import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { pipe } from "../../../src/host/libc.ts";
import {
  childrenOf,
  descendantsOf,
  isRunning,
  outputHolders,
  processGroupOf,
  processState,
} from "../../../src/host/process-tree.ts";
import { until } from "../../helpers/daemon.ts";

const started: ChildProcess[] = [];
afterEach(() => {
  for (const { pid } of started.splice(0)) if (pid) process.kill(-pid, "SIGKILL");
});

/** A shell in a group of its own that has printed its line. */
async function startShell(script: string): Promise<{ pid: number; words: string[] }> {
  const child = spawn("sh", ["-c", script], { detached: true, stdio: ["pipe", "pipe", "ignore"] });
  started.push(child);
  const [line] = (await once(child.stdout ?? child, "data")) as [Buffer];
  return { pid: child.pid ?? 0, words: line.toString().trim().split(" ") };
}

const NOBODY = 2 ** 22 + 1;

describe("the tree of a process", () => {
  test("is its children, their children and so on, nearest first", async () => {
    const { pid, words } = await startShell("sh -c 'sleep 60 & echo $$ $!; wait' & wait");
    const [child, grandchild] = words.map(Number);
    expect(childrenOf(pid)).toEqual([child]);
    expect(descendantsOf(pid)).toEqual([child, grandchild]);
    expect(descendantsOf(process.pid)).toEqual(expect.arrayContaining([pid, child, grandchild]));
  });

  test("contains children of other threads", async () => {
    const { Worker } = await import("node:worker_threads");
    const worker = new Worker(
      `const { spawn } = require("node:child_process"); const { parentPort } = require("node:worker_threads");
       const child = spawn("sleep", ["60"], { detached: true }); parentPort.postMessage(child.pid); child.on("exit", () => process.exit());`,
      { eval: true },
    );
    const [pid] = (await once(worker, "message")) as [number];
    expect(childrenOf(process.pid)).toContain(pid);
    process.kill(pid, "SIGKILL");
    await once(worker, "exit");
  });

  test("is empty for a process that is not there", () => {
    expect([childrenOf(NOBODY), descendantsOf(NOBODY)]).toEqual([[], []]);
  });
});

describe("a single process", () => {
  test("has a state and a group, whatever its name looks like", async () => {
    const folder = mkdtempSync(join(tmpdir(), "guestd-tree-"));
    const { pid, words } = await startShell(`cd ${folder}; cp /bin/sleep ') R 1 (x'; './) R 1 (x' 60 & echo $!; wait`);
    const child = Number(words[0]);
    await until(() => processState(child) === "S");
    expect([isRunning(child), processGroupOf(child)]).toEqual([true, pid]);
    rmSync(folder, { recursive: true });
  });

  test("that has ended and was not reaped is a zombie: there, but not running", async () => {
    // The shell's successor does not wait for the child it was started with; the shell itself might.
    const lingers = 'until [ "$(cat /proc/$PPID/comm)" = sleep ]; do :; done';
    const { words } = await startShell(`sh -c '${lingers}' & echo $!; exec sleep 60`);
    const zombie = Number(words[0]);
    await until(() => processState(zombie) === "Z");
    expect(isRunning(zombie)).toBe(false);
  });

  test("that is not there has neither state nor group", () => {
    expect([processState(NOBODY), processGroupOf(NOBODY), isRunning(NOBODY)]).toEqual([undefined, undefined, false]);
  });
});

describe("who holds a pipe", () => {
  test("is named with its command, and nobody else is", () => {
    const { readEnd, writeEnd } = pipe();
    const holder = spawn("sleep", ["60"], { detached: true, stdio: ["ignore", writeEnd, "ignore"] });
    const stranger = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
    started.push(holder, stranger);
    closeSync(writeEnd);
    const targets = new Set([`pipe:[${fstatSync(readEnd).ino}]`]);
    const pids = [holder.pid ?? 0, stranger.pid ?? 0, NOBODY];
    expect(outputHolders(pids, targets)).toEqual([{ pid: holder.pid, command: "sleep" }]);
    closeSync(readEnd);
    expect(outputHolders(pids, new Set(["pipe:[1]"]))).toEqual([]);
  });
});
