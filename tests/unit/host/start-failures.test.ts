import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Launcher } from "../../../src/host/launcher.ts";
import { isRunning, processState } from "../../../src/host/process-tree.ts";
import { createLauncher, isRoot, openDescriptors, ownChildren, runScript, SHIM, start, users } from "./programs.ts";
import { REPOSITORY, until } from "../../helpers/daemon.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-start-"));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `attempt` and checks that it leaves neither a child, dead or alive, nor a descriptor. */
async function leavesNothing(attempt: () => Promise<unknown>): Promise<void> {
  const before = { children: ownChildren(), descriptors: openDescriptors() };
  await attempt();
  // Shims of tests before this one may still go away meanwhile.
  const isNew = (pid: number): boolean => !before.children.includes(pid);
  await until(() => !ownChildren().some(isNew) && openDescriptors() <= before.descriptors);
}

describe("a command that cannot be run is no failed start", () => {
  test.each([
    ["that is nowhere on the search path", "no-such-command", 127, "no-such-command: not found\n"],
    ["that is no file", "/nowhere/at/all", 127, "/nowhere/at/all: not found\n"],
    ["that is a folder", "/tmp", 126, "/tmp: Permission denied\n"],
    ["that is not executable", "/etc/passwd", 126, "/etc/passwd: Permission denied\n"],
  ])("one %s", async (_name, command, code, message) => {
    await using launcher = createLauncher();
    await leavesNothing(async () => {
      const program = await start(launcher, [command]);
      expect((await program.exit).status).toEqual({ code });
      expect(program.text("stderr")).toBe(message);
      program.child[Symbol.dispose]();
    });
  });

  test("a script whose interpreter is missing is not found either", async () => {
    await using launcher = createLauncher();
    const script = join(folder, "script");
    writeFileSync(script, "#!/nowhere/interpreter\n", { mode: 0o755 });
    const program = await start(launcher, [script]);
    expect((await program.exit).status).toEqual({ code: 127 });
    expect(program.text("stderr")).toBe(`${script}: not found\n`);
  });

  test("a script without a first line that names one is run by sh", async () => {
    await using launcher = createLauncher();
    const script = join(folder, "script");
    writeFileSync(script, 'echo "run with $1"\n', { mode: 0o755 });
    const program = await start(launcher, [script, "me"]);
    await program.exit;
    expect(program.text("stdout")).toBe("run with me\n");
  });

  test("the search path is the program's own, not ours", async () => {
    await using launcher = createLauncher();
    writeFileSync(join(folder, "only-here"), "#!/bin/sh\necho found\n", { mode: 0o755 });
    const found = await start(launcher, ["only-here"], { env: { PATH: `/nowhere:${folder}` } });
    await found.exit;
    expect(found.text("stdout")).toBe("found\n");
    const missed = await start(launcher, ["only-here"], { env: { PATH: "/usr/bin:/bin" } });
    expect((await missed.exit).status).toEqual({ code: 127 });
  });

  test.skipIf(!isRoot)(
    "one that is nowhere is not found, also where the user may not look into every folder of the search path",
    async () => {
      await using launcher = createLauncher();
      mkdirSync(join(folder, "closed"), { mode: 0o700 });
      const spec = { env: { PATH: `${folder}/closed:/usr/bin:/bin` }, identity: users.get("nobody") };
      const program = await start(launcher, ["no-such-command"], spec);
      expect([(await program.exit).status, program.text("stderr")]).toEqual([
        { code: 127 },
        "no-such-command: not found\n",
      ]);
    },
  );

  test("what is on the search path but no program cannot be run; a folder of that path that is none does not count", async () => {
    await using launcher = createLauncher();
    writeFileSync(join(folder, "plain"), "", { mode: 0o644 });
    mkdirSync(join(folder, "inner"));
    const spec = { env: { PATH: `${folder}:/usr/bin:/etc/passwd` } };
    for (const [name, code, why] of [
      ["plain", 126, "Permission denied"],
      ["inner", 127, "not found"],
      ["no-such-command", 127, "not found"],
    ] as const) {
      const program = await start(launcher, [name], spec);
      expect([(await program.exit).status, program.text("stderr")]).toEqual([{ code }, `${name}: ${why}\n`]);
    }
  });

  test("a name longer than any is not found with its beginning, and no more", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, [`/${"x".repeat(5000)}`]);
    expect((await program.exit).status).toMatchObject({ code: expect.any(Number) as number });
    expect(program.text("stderr").length).toBeLessThan(600);
    expect(program.text("stderr")).toMatch(/\n$/);
  });
});

describe("a start that fails", () => {
  test("in a directory that is not there", async () => {
    await using launcher = createLauncher();
    await leavesNothing(async () => {
      await expect(
        start(launcher, ["/bin/true"], { cwd: join(folder, "nowhere"), hasStdin: true }),
      ).rejects.toMatchObject({
        code: "invalid_argument",
        message: "cannot enter the working directory: no such file or directory",
      });
    });
  });

  test.skipIf(!isRoot)("in a directory that the user may not enter", async () => {
    await using launcher = createLauncher();
    mkdirSync(join(folder, "closed"), { mode: 0o700 });
    await leavesNothing(async () => {
      const spec = { cwd: join(folder, "closed"), identity: users.get("nobody"), hasStdin: true };
      await expect(start(launcher, ["/bin/true"], spec)).rejects.toMatchObject({
        code: "invalid_argument",
        message: "cannot enter the working directory: permission denied",
      });
    });
  });

  test("because the shim is not there", async () => {
    await using launcher = new Launcher({ shimPath: join(folder, "no-shim") });
    expect(() => launcher.checkShim()).toThrowError(
      expect.objectContaining({ code: "unavailable", hint: expect.stringContaining("npm run build") as string }),
    );
    await leavesNothing(async () => {
      await expect(start(launcher, ["/bin/true"], { hasStdin: true })).rejects.toThrow(/no such file/);
    });
  });

  test("because the arguments or the environment are longer than the kernel takes: the caller's mistake", async () => {
    await using launcher = createLauncher();
    const huge = "x".repeat(200_000);
    await leavesNothing(async () => {
      const refusal = {
        code: "invalid_argument",
        message: expect.stringContaining("argument list too long") as string,
      };
      await expect(start(launcher, ["/bin/echo", huge], { hasStdin: true })).rejects.toMatchObject(refusal);
      await expect(start(launcher, ["/bin/true"], { env: { HUGE: huge } })).rejects.toMatchObject(refusal);
    });
  });

  test("because no descriptor is left gives back those it had, and later ones succeed", () => {
    const script = `
      import { readdirSync, openSync, closeSync } from "node:fs";
      import { createLauncher, start } from ${JSON.stringify(join(import.meta.dirname, "programs.ts"))};
      import { until } from ${JSON.stringify(join(REPOSITORY, "tests/helpers/daemon.ts"))};
      const launcher = createLauncher();
      const count = () => readdirSync("/proc/self/fd").length;
      const before = count();
      let failures = 0;
      for (let free = 0; free < 12; free += 1) {
        const held = [];
        try { for (;;) held.push(openSync("/dev/null")); } catch {}
        for (const fd of held.splice(0, free)) closeSync(fd);
        try {
          const { child } = await start(launcher, ["/bin/true"], { hasStdin: true });
          await child.gone;
          child[Symbol.dispose]();
        } catch (error) { failures += 1; }
        for (const fd of held) closeSync(fd);
        await until(() => count() <= before);
      }
      const { exit } = await start(launcher, ["/bin/true"]);
      console.log(JSON.stringify({ failures, ...(await exit) }));
      process.exit();`;
    const argv = ["-c", 'ulimit -n 80; exec "$0" --input-type=module -e "$1"', process.execPath, script];
    const { stdout, stderr } = spawnSync("sh", argv, { encoding: "utf8", cwd: REPOSITORY });
    const { failures, status } = JSON.parse(stdout || `{"failures":${JSON.stringify(stderr)}}`) as Record<
      string,
      unknown
    >;
    expect(failures).toBeGreaterThan(0);
    expect(status).toEqual({ code: 0 });
  });
});

describe("two hundred starts", () => {
  test("leave this process with the descriptors and children it had", async () => {
    await using launcher = createLauncher();
    await runScript(launcher, "true");
    await leavesNothing(async () => {
      for (let round = 0; round < 10; round += 1) {
        const programs = Array.from({ length: 20 }, (_, index) =>
          runScript(launcher, index % 3 === 0 ? "exit 1" : "echo x; echo y >&2", { hasStdin: index % 2 === 0 }),
        );
        await Promise.all(programs);
      }
    });
  });

  test("that were disposed while they ran give the descriptors back and leave the programs alone", async () => {
    await using launcher = createLauncher();
    const before = openDescriptors();
    const programs = await Promise.all(
      Array.from({ length: 20 }, () => start(launcher, ["/bin/sleep", "60"], { hasStdin: true })),
    );
    for (const { child } of programs) child[Symbol.dispose]();
    // One is left of each: the shim's report.
    await until(() => openDescriptors() === before + programs.length);
    for (const { child } of programs) {
      expect(isRunning(child.pid)).toBe(true);
      process.kill(child.pid, "SIGKILL");
    }
    await Promise.all(programs.map(({ child }) => child.gone));
    await until(() => openDescriptors() === before);
  });
});

describe("a launcher that is disposed", () => {
  test("ends what programs left in the background, and stops listening for children", async () => {
    const listeners = process.listenerCount("SIGCHLD");
    const launcher = createLauncher();
    const program = await start(launcher, [
      "/bin/sh",
      "-c",
      "setsid sleep 60 >/dev/null 2>&1 & trap '' TERM; sleep 60 >/dev/null 2>&1 & echo $!",
    ]);
    await program.exit;
    await launcher[Symbol.asyncDispose]();
    expect(processState(Number(program.text("stdout")))).toBeUndefined();
    await program.child.gone;
    expect(process.listenerCount("SIGCHLD")).toBe(listeners);
  });

  test("has reaped every shim by then", async () => {
    const shims: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      const launcher = createLauncher();
      shims.push((await start(launcher, ["/bin/sleep", "60"])).child.shimPid);
      await launcher[Symbol.asyncDispose]();
    }
    expect(shims.map(processState).filter((state) => state !== undefined)).toEqual([]);
  });
});

test("the shim that was built is the one of the sources", () => {
  const { status, stderr } = spawnSync(SHIM, [], { encoding: "utf8" });
  expect([status, stderr.slice(0, 6)]).toEqual([2, "usage:"]);
});
