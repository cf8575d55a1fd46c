import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { parseSignal, type ProcessTree, signalProcess, terminateTree } from "../../../src/host/process-group.ts";
import { descendantsOf, isRunning, processState } from "../../../src/host/process-tree.ts";
import { REPOSITORY, until } from "../../helpers/daemon.ts";
import { createLauncher, isRoot, type Started, start } from "./programs.ts";

const NEVER = { waitMs: 0 } as const;
const KILL = { signal: "SIGTERM", graceMs: 0, killWaitMs: 2000 } as const;
const strangers: ChildProcess[] = [];
afterEach(() => {
  for (const { pid } of strangers.splice(0)) if (pid) process.kill(-pid, "SIGKILL");
});

/** A program with a child in its group, one in a session of its own, and one that nobody is the parent of any more. */
async function startFamily(launcher: ReturnType<typeof createLauncher>, end = "wait"): Promise<Started & Family> {
  const script = `
    sleep 61 & member=$!
    setsid sleep 62 & escaped=$!
    orphan=$(setsid sh -c 'sleep 63 >/dev/null 2>&1 & echo $!')
    until [ "$(cut -d' ' -f5 /proc/$escaped/stat)" = $escaped ]; do :; done
    echo $$ $member $escaped $orphan
    ${end}`;
  const program = await start(launcher, ["/bin/sh", "-c", script]);
  const [, ...pids] = await program.said(/(\d+) (\d+) (\d+) (\d+)\n/);
  const [leader = 0, member = 0, escaped = 0, orphan = 0] = pids.map(Number);
  await until(() => [member, escaped, orphan].every((pid) => processState(pid) === "S"));
  return { ...program, leader, member, escaped, orphan };
}

interface Family {
  leader: number;
  member: number;
  escaped: number;
  orphan: number;
}

const sorted = (pids: readonly number[]): number[] => pids.toSorted((a, b) => a - b);

describe("a signal", () => {
  test("for the leader reaches the program alone", async () => {
    await using launcher = createLauncher();
    const { child, leader, member, escaped, orphan, exit } = await startFamily(launcher);
    const { signaled } = await signalProcess(child, "SIGTERM", { scope: "leader", ...NEVER });
    expect(signaled).toEqual([leader]);
    expect((await exit).status).toMatchObject({ signal: "SIGTERM" });
    expect([member, escaped, orphan].map(isRunning)).toEqual([true, true, true]);
  });

  test("for the group reaches what stayed in it", async () => {
    await using launcher = createLauncher();
    const { child, leader, member, escaped, orphan } = await startFamily(launcher);
    const report = await signalProcess(child, "SIGKILL", { scope: "group", waitMs: 2000 });
    expect(sorted(report.signaled)).toEqual(sorted([leader, member]));
    expect(report.survivors).toEqual([]);
    expect([leader, member].map(processState)).toEqual([undefined, undefined]);
    expect([escaped, orphan].map(isRunning)).toEqual([true, true]);
  });

  test("for the tree reaches everything, in whatever session and without whatever parent", async () => {
    await using launcher = createLauncher();
    const { child, leader, member, escaped, orphan } = await startFamily(launcher);
    const report = await signalProcess(child, "SIGKILL", { scope: "tree", waitMs: 2000 });
    expect(sorted(report.signaled)).toEqual(sorted([leader, member, escaped, orphan]));
    expect([leader, member, escaped, orphan].map(processState)).toEqual(Array(4).fill(undefined));
    await child.gone;
  });

  test("after the program's end still reaches what it left behind", async () => {
    await using launcher = createLauncher();
    const { child, member, escaped, orphan, exit } = await startFamily(launcher, "exit 0");
    await exit;
    await expect(signalProcess(child, "SIGTERM", { scope: "leader", ...NEVER })).rejects.toMatchObject({
      code: "not_found",
      reason: "process_not_found",
    });
    const group = await signalProcess(child, "SIGKILL", { scope: "group", waitMs: 2000 });
    expect(group.signaled).toEqual([member]);
    const tree = await signalProcess(child, "SIGKILL", { scope: "tree", waitMs: 2000 });
    expect(sorted(tree.signaled)).toEqual(sorted([escaped, orphan]));
    await expect(signalProcess(child, "SIGKILL", { scope: "tree", ...NEVER })).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("that is ignored is reported with who survived it", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"]);
    const member = Number((await program.said(/(\d+)\n/))[1]);
    const report = await signalProcess(program.child, "SIGTERM", { scope: "group", waitMs: 100 });
    expect(sorted(report.survivors)).toEqual(sorted([program.child.pid, member]));
  });

  test("that a program handles is no death, and its handler runs", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, [
      "/bin/sh",
      "-c",
      "trap 'echo got it' USR1; echo up; while :; do sleep 0.05; done",
    ]);
    await program.said(/up/);
    await signalProcess(program.child, "SIGUSR1", { scope: "leader", ...NEVER });
    await program.said(/got it/);
  });

  test("to a stopped program kills it as well", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sleep", "60"]);
    await signalProcess(program.child, "SIGSTOP", { scope: "group", ...NEVER });
    await until(() => processState(program.child.pid) === "T");
    expect((await signalProcess(program.child, "SIGKILL", { scope: "group", waitMs: 2000 })).survivors).toEqual([]);
  });

  test("for one program never reaches another, nor this process", async () => {
    await using launcher = createLauncher();
    const [one, other] = await Promise.all([
      start(launcher, ["/bin/sleep", "60"]),
      start(launcher, ["/bin/sh", "-c", "kill -9 0"]),
    ]);
    expect((await other.exit).status).toMatchObject({ signal: "SIGKILL" });
    expect(isRunning(one.child.pid)).toBe(true);
  });

  test.skipIf(!isRoot)("that we may not send is permission_denied, not a success", async () => {
    const stranger = spawn("sh", ["-c", "sleep 60 & echo $!; wait"], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    strangers.push(stranger);
    await once(stranger.stdout, "data");
    const [target = 0] = descendantsOf(stranger.pid ?? 0);
    // Somebody without rights over it; its group is the one of a program that root started.
    const script = `
      import { signalProcess } from ${JSON.stringify(join(REPOSITORY, "src/host/process-group.ts"))};
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const tree = { pid: ${stranger.pid}, shimPid: ${stranger.pid}, hasEnded: false, gone: new Promise(() => {}) };
      for (const scope of ["leader", "tree", "group"]) {
        await signalProcess(tree, "SIGTERM", { scope, waitMs: 0 }).then(
          (report) => console.log(scope, JSON.stringify(report)),
          (error) => console.log(scope, error.code));
      }
      process.exit();`;
    const judge = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(await readText(judge.stdout)).toBe(
      "leader permission_denied\ntree permission_denied\ngroup permission_denied\n",
    );
    expect(isRunning(target)).toBe(true);
  });
});

describe("ending a tree", () => {
  test("leaves nothing of it, whatever it does about SIGTERM", async () => {
    await using launcher = createLauncher();
    const { child, leader, member, escaped, orphan } = await startFamily(
      launcher,
      "trap '' TERM; wait; wait; sleep 60",
    );
    expect(await terminateTree(child, KILL)).toEqual([]);
    await child.gone;
    expect([leader, member, escaped, orphan].map(processState)).toEqual(Array(4).fill(undefined));
  });

  test("lets programs end by themselves within the grace, and waits no longer than they need", async () => {
    await using launcher = createLauncher();
    const script = "trap 'echo tidying; exit 5' TERM; echo up; while :; do sleep 0.05; done";
    const program = await start(launcher, ["/bin/sh", "-c", script]);
    await program.said(/up/);
    const began = performance.now();
    expect(await terminateTree(program.child, { signal: "SIGTERM", graceMs: 25_000, killWaitMs: 1000 })).toEqual([]);
    expect(performance.now() - began).toBeLessThan(15_000);
    expect((await program.exit).status).toEqual({ code: 5 });
    expect(program.text("stdout")).toBe("up\ntidying\n");
  });

  test("kills what is left when the grace is over", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]);
    await program.said(/up/);
    const began = performance.now();
    await terminateTree(program.child, { signal: "SIGTERM", graceMs: 200, killWaitMs: 1000 });
    expect(performance.now() - began).toBeGreaterThan(190);
    expect((await program.exit).status).toMatchObject({ signal: "SIGKILL" });
  });

  test("that has ended already is nothing to do", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/true"]);
    await program.child.gone;
    expect(await terminateTree(program.child, { ...KILL, graceMs: 5000 })).toEqual([]);
  });

  test("that looks empty while its shim lives is looked at again: a walk of /proc may miss who forks meanwhile", async () => {
    const script = `setTimeout(() => console.log(require("node:child_process").spawn("sleep", ["60"], { stdio: "ignore" })
      .on("exit", () => process.exit()).pid), 200); console.log("up");`;
    const shim = spawn(process.execPath, ["-e", script], { detached: true, stdio: ["ignore", "pipe", "inherit"] });
    const gone = once(shim, "exit").then(() => undefined);
    await once(shim.stdout, "data");
    const tree: ProcessTree = { pid: -1, shimPid: shim.pid ?? 0, hasEnded: true, gone };
    let hasReturned = false;
    const ending = terminateTree(tree, KILL).then(() => (hasReturned = true));
    const [pid] = (await once(shim.stdout, "data")) as [Buffer];
    const wasLooking = !hasReturned;
    await ending;
    if (isRunning(Number(pid))) process.kill(Number(pid), "SIGKILL");
    await gone;
    expect(wasLooking).toBe(true);
  });

  test.skipIf(!canChoosePids())("of a program that is gone touches nobody who has its number now", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/true"]);
    await program.child.gone;
    await until(() => processState(program.child.shimPid) === undefined);
    const stranger = await becomePid(program.child.shimPid);
    const [victim = 0] = descendantsOf(stranger.pid ?? 0);
    expect(isRunning(victim)).toBe(true);
    expect(await terminateTree(program.child, KILL)).toEqual([]);
    await expect(signalProcess(program.child, "SIGKILL", { scope: "tree", ...NEVER })).rejects.toMatchObject({
      code: "not_found",
    });
    expect(isRunning(victim)).toBe(true);
  });
});

const LAST_PID = "/proc/sys/kernel/ns_last_pid";

function canChoosePids(): boolean {
  try {
    accessSync(LAST_PID, constants.W_OK);
    return isRoot;
  } catch {
    return false;
  }
}

/** A shell with a child that has just this process id. */
async function becomePid(pid: number): Promise<ChildProcess> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    writeFileSync(LAST_PID, String(pid - 1));
    const shell = spawn("sh", ["-c", "sleep 60 & echo; wait"], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
    strangers.push(shell);
    await once(shell.stdout, "data");
    if (shell.pid === pid) return shell;
  }
  throw new Error(`no process got the number ${pid}`);
}

describe("a signal by name or number", () => {
  test.each([
    ["SIGTERM", "SIGTERM"],
    ["term", "SIGTERM"],
    [" int ", "SIGINT"],
    ["9", "SIGKILL"],
    ["15", "SIGTERM"],
    ["SigUsr1", "SIGUSR1"],
  ])("%j is %s", (text, name) => {
    expect(parseSignal(text)).toBe(name);
  });

  test.each(["", "SIG", "0", "-9", "99", "NOPE", "SIGKILL;", "1e0", "constructor"])("%j is none", (text) => {
    expect(() => parseSignal(text)).toThrowError(
      expect.objectContaining({ code: "invalid_argument", message: `unknown signal ${JSON.stringify(text)}` }),
    );
  });
});
