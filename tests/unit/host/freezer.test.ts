import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { writableCgroup } from "../../../src/host/cgroup.ts";
import { Freezer, type FreezeReport } from "../../../src/host/freezer.ts";
import { FrozenGroup } from "../../../src/host/frozen-group.ts";
import type { Launcher } from "../../../src/host/launcher.ts";
import { signalProcess, terminateTree } from "../../../src/host/process-group.ts";
import { descendantsOf, isRunning, processState } from "../../../src/host/process-tree.ts";
import { until } from "../../helpers/daemon.ts";
import { otherCgroup } from "../../helpers/other-cgroup.ts";
import { createLauncher, start, type Started } from "./programs.ts";

/** Counts on its standard output as fast as it may. */
const COUNTING = ["/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"] as const;

/** Takes leave when it is asked to end. */
const HANDLING = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done";

let launcher: Launcher;
let started: Started[];
beforeEach(() => {
  launcher = createLauncher();
  started = [];
});
afterEach(async () => {
  await launcher[Symbol.asyncDispose]();
  vi.useRealTimers();
});

async function run(...argv: [string, ...string[]]): Promise<Started> {
  const program = await start(launcher, argv);
  started.push(program);
  return program;
}

function freeze(options: { maxTrees?: number; waitMs?: number; signal?: AbortSignal } = {}): Promise<FreezeReport> {
  const { signal = new AbortController().signal } = options;
  return launcher.freezer.freeze({ maxTrees: Infinity, waitMs: 5000, ...options, signal });
}

const treeOf = ({ child }: Started): number[] => descendantsOf(child.shimPid);

/** How much processor time all of a tree has had, in ticks of the clock. */
function ticksOf(program: Started): number {
  return treeOf(program).reduce((sum, pid) => sum + ticksOfProcess(pid), 0);
}

function ticksOfProcess(pid: number): number {
  const stat = statOf(pid);
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return user + system;
}

function statOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return ""; // it is gone
  }
}

/** Resolves when a process that nobody freezes has computed for a while: whoever has done nothing meanwhile stands still. */
async function whileAnotherComputes(): Promise<void> {
  const other = spawn("/bin/sh", ["-c", "while :; do :; done"], { stdio: "ignore" });
  const pid = other.pid ?? 0;
  await until(() => ticksOfProcess(pid) >= 5);
  other.kill("SIGKILL");
  await once(other, "exit");
}

const means = { "in a cgroup": true, "by signals": false };

describe.each(Object.entries(means))("%s", (_name, usesGroup) => {
  beforeEach((context) => {
    if (usesGroup && writableCgroup() === undefined) context.skip();
    launcher.freezer.usesGroup = usesGroup;
  });

  test("a tree stands still and goes on where it was, whatever has left its session", async () => {
    const program = await run(
      "/bin/bash",
      "-c",
      "for i in 1 2 3; do setsid bash -c 'while :; do :; done' & done; echo up; wait",
    );
    await program.said(/up/);
    await until(() => treeOf(program).length === 4);
    const report = await freeze();
    expect(report).toMatchObject({ visited: 1, requested: 1, frozen: 1, notFrozen: 0, failed: 0, preFrozen: 0 });
    const before = ticksOf(program);
    await whileAnotherComputes();
    expect(ticksOf(program)).toBe(before);
    expect(await launcher.freezer.thaw()).toEqual({
      visited: 4,
      frozen: 4,
      escaped: 0,
      violations: 0,
      truncated: false,
    });
    await until(() => ticksOf(program) > before + 5);
    await terminateTree(program.child, { signal: "SIGKILL", graceMs: 0, killWaitMs: 2000 });
  });

  test("one that forks all the time is caught", async () => {
    const program = await run("/bin/sh", "-c", "while :; do /bin/true; /bin/true & done");
    await until(() => treeOf(program).length > 1);
    expect(await freeze()).toMatchObject({ frozen: 1, notFrozen: 0 });
    const before = ticksOf(program);
    await whileAnotherComputes();
    expect(ticksOf(program)).toBe(before);
    expect(await launcher.freezer.thaw()).toMatchObject({ escaped: 0, violations: 0 });
    await until(() => ticksOf(program) !== before);
  });

  test("who was stopped before stays stopped afterwards", async () => {
    const [running, stopped] = [await run(...COUNTING), await run("/bin/sh", "-c", "echo up; exec sleep 60")];
    await stopped.said(/up/);
    for (const pid of treeOf(stopped)) process.kill(pid, "SIGSTOP");
    await until(() => treeOf(stopped).every((pid) => processState(pid) === "T"));
    expect(await freeze()).toMatchObject({ visited: 2, preFrozen: 1, requested: 1, frozen: 1 });
    await launcher.freezer.thaw();
    const before = running.text("stdout").length;
    await until(() => running.text("stdout").length > before);
    expect(treeOf(stopped).map(processState)).toEqual(treeOf(stopped).map(() => "T"));
    expect(treeOf(stopped).length).toBeGreaterThan(0);
  });

  test("a shell with job control does not take its running jobs for stopped", async () => {
    const program = await run("/bin/bash", "-mc", "sleep 60 & echo up; wait; echo waited; jobs");
    await program.said(/up/);
    await freeze();
    await launcher.freezer.thaw();
    const [sleep = 0] = treeOf(program).filter((pid) => pid !== program.child.pid);
    process.kill(sleep, "SIGKILL");
    await program.said(/waited/);
    await program.exit;
    expect(program.text("stdout") + program.text("stderr")).not.toMatch(/Stopped/);
  });

  test("SIGKILL ends a frozen tree and is reported at once; a SIGTERM that is handled comes when it is thawed", async () => {
    const [killed, ended] = [await run("sleep", "60"), await run("/bin/sh", "-c", HANDLING)];
    await ended.said(/up/);
    await freeze();
    expect(await signalProcess(ended.child, "SIGTERM", { scope: "leader", waitMs: 50 })).toEqual({
      signaled: [ended.child.pid],
      survivors: [ended.child.pid],
    });
    expect((await signalProcess(killed.child, "SIGKILL", { scope: "tree", waitMs: 2000 })).survivors).toEqual([]);
    expect((await killed.exit).status).toMatchObject({ signal: "SIGKILL" });
    expect(ended.child.hasEnded).toBe(false);
    await launcher.freezer.thaw();
    expect((await ended.exit).status).toEqual({ code: 7 });
  });

  test("who loses its session leader meanwhile, and is woken up for that, is frozen again", async () => {
    const script = "trap '' HUP; set -m; (trap '' HUP; while :; do :; done) & echo up $!; wait";
    const program = await run("/bin/bash", "-c", script);
    const pid = Number((await program.said(/up (\d+)/))[1]);
    await freeze();
    process.kill(program.child.pid, "SIGKILL");
    await program.child.ended;
    if (!usesGroup) await until(() => processState(pid) === "T");
    const before = ticksOfProcess(pid);
    await whileAnotherComputes();
    expect(ticksOfProcess(pid)).toBe(before);
    await launcher.freezer.thaw();
    await until(() => ticksOfProcess(pid) > before);
  });

  test("one that was started just now is frozen, also while it is being executed", async () => {
    for (let round = 0; round < 10; round += 1) {
      const program = await run(...COUNTING);
      await freeze();
      await whileAnotherComputes(); // what it had printed before is read by then
      const before = program.text("stdout");
      await whileAnotherComputes();
      expect(program.text("stdout")).toBe(before);
      await launcher.freezer.thaw();
      await program.said(/^5$/m);
      await terminateTree(program.child, { signal: "SIGKILL", graceMs: 0, killWaitMs: 2000 });
    }
  });

  test("ending the launcher ends everything that is frozen, gracefully", async () => {
    const program = await run("/bin/sh", "-c", HANDLING);
    await program.said(/up/);
    await freeze();
    await launcher[Symbol.asyncDispose]();
    expect((await program.exit).status).toEqual({ code: 7 });
    expect(program.text("stdout")).toContain("bye");
  });
});

test("who loses a session leader inside of a tree, and is woken up for that, is stopped again", async () => {
  launcher.freezer.usesGroup = false;
  const inner = "trap '' HUP; set -m; while :; do :; done & echo up $$ $!; wait";
  const program = await run("/bin/bash", "-c", `setsid bash -c "$0" & wait`, inner);
  const [, leader, pid] = (await program.said(/up (\d+) (\d+)/)).map(Number) as [number, number, number];
  await freeze();
  process.kill(leader, "SIGKILL");
  await until(() => !isRunning(leader));
  await until(() => processState(pid) === "T");
  const before = ticksOfProcess(pid);
  await whileAnotherComputes();
  expect(ticksOfProcess(pid)).toBe(before);
});

test("who is born in a frozen group needs no signal", async (context) => {
  const group = FrozenGroup.open();
  if (!group) return context.skip();
  const program = await run(...COUNTING);
  expect([group.add(program.child.pid), group.add(program.child.pid)]).toEqual([true, true]);
  expect(group.members()).toEqual(new Set([program.child.pid]));
  group.release();
  const before = program.text("stdout").length;
  await until(() => program.text("stdout").length > before);
});

test("who is in another cgroup than guestd is frozen by signals, and takes none that would wake it up", async () => {
  const program = await run(...COUNTING);
  await program.said(/^1$/m);
  await using _group = otherCgroup([program.child.pid]);
  expect(await freeze()).toMatchObject({ frozen: 1, notFrozen: 0 });
  expect(processState(program.child.pid)).toBe("T");
  expect(() => launcher.freezer.checkSignal("SIGCONT")).toThrow("would not reach them");
  launcher.freezer.checkSignal("SIGTERM");
  await launcher.freezer.thaw();
  launcher.freezer.checkSignal("SIGCONT");
  const before = program.text("stdout").length;
  await until(() => program.text("stdout").length > before);
});

test("who is in another cgroup than guestd is stopped also while it waits for what it forks", async () => {
  const program = await run("/bin/sh", "-c", "echo up; while :; do /bin/true; done");
  await program.said(/up/);
  await using _group = otherCgroup([program.child.pid]);
  for (let round = 0; round < 20; round += 1) {
    expect(await freeze()).toMatchObject({ frozen: 1, notFrozen: 0 });
    expect(await launcher.freezer.thaw()).toMatchObject({ escaped: 0, violations: 0 });
  }
});

test("what is to start waits until the thaw, and never starts when the daemon ends", async () => {
  await freeze();
  let hasStarted = false;
  const first = run("/bin/echo", "hello").then((program) => {
    hasStarted = true;
    return program;
  });
  await whileAnotherComputes();
  expect(hasStarted).toBe(false);
  await launcher.freezer.thaw();
  expect((await (await first).exit).status).toEqual({ code: 0 });
  await freeze();
  const second = run("/bin/echo", "never");
  second.catch(() => undefined);
  await launcher[Symbol.asyncDispose]();
  await expect(second).rejects.toMatchObject({ code: "unavailable" });
});

test("starts that are under way are frozen, or have waited", async () => {
  const starting = Array.from({ length: 20 }, () => run(...COUNTING));
  const report = await freeze();
  expect(report).toMatchObject({ notFrozen: 0, failed: 0 });
  await launcher.freezer.thaw();
  const programs = await Promise.all(starting);
  await Promise.all(programs.map((program) => program.said(/^2$/m)));
});

test("calls are idempotent and come in their order; a wait ends with its caller", async () => {
  const program = await run(...COUNTING);
  await program.said(/^1$/m);
  const [first, second] = await Promise.all([freeze(), freeze()]);
  expect([first.frozen, second.frozen]).toEqual([1, 1]);
  const thaws = await Promise.all([launcher.freezer.thaw(), launcher.freezer.thaw()]);
  expect(thaws.map((audit) => audit?.frozen)).toEqual([expect.any(Number), undefined]);
  const gone = new Error("gone");
  await expect(freeze({ signal: AbortSignal.abort(gone) })).rejects.toBe(gone);
  expect(launcher.freezer.isFrozen).toBe(false);
});

test("a thaw is not kept waiting by a freeze that waits", async () => {
  const program = await run(...COUNTING);
  await program.said(/^1$/m);
  // A start that does not come to an end keeps a freeze waiting: its program cannot be found yet.
  const shims = (): number[] => [program.child.shimPid];
  const freezer = new Freezer({ shims, startsUnderWay: () => 1, clock: launcher.clock });
  const waiting = freezer.freeze({ maxTrees: Infinity, waitMs: 600_000, signal: new AbortController().signal });
  await until(() => freezer.isFrozen);
  expect(await freezer.thaw()).toMatchObject({ escaped: 0 });
  expect(await waiting).toMatchObject({ visited: 1 });
});

test("trees beyond the number that was given are left running, and that is said", async () => {
  const [first, second] = [await run(...COUNTING), await run(...COUNTING)];
  await Promise.all([first.said(/^1$/m), second.said(/^1$/m)]);
  expect(await freeze({ maxTrees: 1 })).toMatchObject({ visited: 1, truncated: true, frozen: 1 });
  const before = second.text("stdout").length;
  await until(() => second.text("stdout").length > before);
});

test("after ten minutes things are thawed when nobody has done it", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const overdue = vi.fn();
  launcher.freezer.onOverdue = overdue;
  await freeze({ waitMs: 0 });
  await vi.advanceTimersByTimeAsync(500_000);
  await freeze({ waitMs: 0 });
  await vi.advanceTimersByTimeAsync(599_000);
  expect(launcher.freezer.isFrozen).toBe(true);
  await vi.advanceTimersByTimeAsync(2000);
  expect([launcher.freezer.isFrozen, overdue.mock.calls.length]).toEqual([false, 1]);
});
