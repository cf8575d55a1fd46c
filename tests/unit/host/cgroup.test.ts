import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { type MemoryCgroup, memoryCgroup, writableCgroup } from "../../../src/host/cgroup.ts";
import { killInCgroup } from "../../../src/host/cgroup-kill.ts";
import { descendantsOf, isRunning, processState } from "../../../src/host/process-tree.ts";
import { REPOSITORY, until } from "../../helpers/daemon.ts";
import { memoryGroupFor } from "../../helpers/memory-cgroup.ts";
import { startObserver } from "../../helpers/observer.ts";
import { createLauncher, isRoot, start } from "./programs.ts";

const GIB = 2 ** 30;
const SOURCE = join("host", "cgroup.ts");

/** Once everything is loaded: the repository may be where others cannot look. */
function becomeUser(uid: number): string {
  return `process.setgroups([]); process.setgid(${uid}); process.setuid(${uid});`;
}

describe("the memory cgroup", () => {
  test.skipIf(!memoryCgroup())("of this process has a file that counts kills", () => {
    const group = memoryCgroup() as MemoryCgroup;
    expect(readFileSync(group.eventsFile, "latin1")).toMatch(/^oom_kill \d+$/m);
    expect(dirname(group.eventsFile)).toBe(group.directory);
  });

  test("is the one that this process is in, not the one above", async (context) => {
    await using group = memoryGroupFor(context, GIB);
    const observer = startObserver({ file: SOURCE, expression: "host.memoryCgroup()" });
    writeFileSync(group.procsFile, String(observer.pid));
    expect(await observer.look()).toMatchObject({ directory: group.directory });
  });
});

describe("a cgroup that groups can be made in", () => {
  test.skipIf(!isRoot)("is none for somebody who may not write there", async () => {
    const expression = "host.writableCgroup() ?? null";
    const observer = startObserver({ file: SOURCE, expression, setUp: becomeUser(65_534) });
    expect(await observer.look()).toBeNull();
  });

  test.skipIf(!writableCgroup())("is a folder of the unified hierarchy", () => {
    const directory = writableCgroup() ?? "";
    expect(existsSync(join(directory, "cgroup.controllers"))).toBe(true);
    expect(readFileSync(join(directory, "cgroup.procs"), "latin1")).toMatch(/^(\d+\n)*$/);
  });
});

describe("killing in a cgroup", () => {
  /** A program with children in sessions of their own; all have printed their numbers. */
  const FAMILY = `setsid sleep 61 & one=$!; setsid sh -c 'sleep 62; :' & two=$!; echo $$ $one $two; wait`;

  test.skipIf(!writableCgroup())("ends the whole tree, and leaves no group behind", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", FAMILY]);
    const { child } = program;
    const [, ...pids] = await program.said(/(\d+) (\d+) (\d+)\n/);
    const group = join(writableCgroup() ?? "", `guestd-kill-${child.shimPid}`);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    {
      using killing = killInCgroup(child.shimPid);
      expect([killing === undefined, existsSync(group)]).toEqual([false, true]);
      if (existsSync(join(group, "cgroup.kill"))) void child.gone.then(() => resolve(undefined));
      else {
        for (const pid of descendantsOf(child.shimPid)) process.kill(pid, "SIGKILL");
        void child.gone.then(() => resolve(undefined));
      }
      await promise;
    }
    expect(pids.map((pid) => processState(Number(pid)))).toEqual([undefined, undefined, undefined]);
    expect(existsSync(group)).toBe(false);
  });

  test.skipIf(!isRoot)("is not possible without such a cgroup, and touches nobody then", async () => {
    await using launcher = createLauncher();
    const { child } = await start(launcher, ["/bin/sleep", "60"]);
    const script = `
      const { killInCgroup } = require(${JSON.stringify(join(REPOSITORY, "src", "host", "cgroup-kill.ts"))});
      ${becomeUser(65_534)}
      console.log(killInCgroup(${child.shimPid}));`;
    const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
    expect([stdout, isRunning(child.pid)]).toEqual(["undefined\n", true]);
  });

  test.skipIf(!writableCgroup())("of a tree that is gone does nothing", async () => {
    const child = spawn("true", { stdio: "ignore" });
    await once(child, "exit");
    await until(() => processState(child.pid ?? 0) === undefined);
    using killing = killInCgroup(child.pid ?? 0);
    expect(killing).toBeDefined();
  });
});
