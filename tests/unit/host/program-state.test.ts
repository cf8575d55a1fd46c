import { describe, expect, test } from "vitest";
import type { Launcher } from "../../../src/host/launcher.ts";
import { createLauncher, isRoot, runScript, start, users } from "./programs.ts";

/** Lines `Name:\tvalue` of /proc/self/status, read by the program itself. */
async function ownStatus(launcher: Launcher, spec = {}): Promise<Record<string, string>> {
  const program = await start(launcher, ["/bin/cat", "/proc/self/status"], spec);
  await program.exit;
  program.child[Symbol.dispose]();
  const lines = program.text("stdout").split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
}

describe("what a program finds when it starts", () => {
  test("descriptors 0, 1 and 2 and no other", async () => {
    await using launcher = createLauncher();
    const { stdout } = await runScript(launcher, "exec 2>&1; ls -1 /proc/self/fd");
    // ls has one more for the folder that it lists.
    expect(stdout).toBe("0\n1\n2\n3\n");
  });

  test("no input at all unless it was asked for", async () => {
    await using launcher = createLauncher();
    expect((await runScript(launcher, "readlink /proc/self/fd/0; cat")).stdout).toBe("/dev/null\n");
    const asked = await start(launcher, ["/bin/readlink", "/proc/self/fd/0"], { hasStdin: true });
    await asked.exit;
    expect(asked.text("stdout")).toMatch(/^pipe:/);
    asked.child[Symbol.dispose]();
  });

  test("pipes that it can open again by name", async () => {
    await using launcher = createLauncher();
    const identity = isRoot ? users.get("nobody") : users.self();
    const spec = { identity, hasStdin: true };
    const program = await start(
      launcher,
      ["/bin/sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin"],
      spec,
    );
    await program.child.writeInput(Buffer.from("in\n"));
    program.child.closeInput();
    await program.exit;
    expect([program.text("stdout"), program.text("stderr")]).toEqual(["out\nin\n", "err\n"]);
    program.child[Symbol.dispose]();
  });

  test("every signal at its default and none blocked", async () => {
    await using launcher = createLauncher();
    const { SigBlk, SigIgn, SigCgt, SigPnd } = await ownStatus(launcher);
    const none = "0000000000000000";
    expect({ SigBlk, SigIgn, SigCgt, SigPnd }).toEqual({ SigBlk: none, SigIgn: none, SigCgt: none, SigPnd: none });
  });

  test("a session and a process group of its own, no terminal", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/cat", "/proc/self/stat"]);
    await program.exit;
    const text = program.text("stdout");
    const [, parent, group, session, terminal] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    expect([parent, group, session, terminal]).toEqual([
      String(program.child.shimPid),
      String(program.child.pid),
      String(program.child.pid),
      "0",
    ]);
    program.child[Symbol.dispose]();
  });

  test("exactly the environment it was given, byte for byte", async () => {
    await using launcher = createLauncher();
    const env = { PATH: "/usr/bin:/bin", ODD: "a\nb=c 'd' \"e\" $f \\ ü😀", EMPTY: "", "with space": "1" };
    const program = await start(launcher, ["/usr/bin/env", "-0"], { env });
    await program.exit;
    const entries = Buffer.from(program.text("stdout"), "latin1").toString("utf8").split("\0").slice(0, -1);
    expect(entries.toSorted()).toEqual(
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}`)
        .toSorted(),
    );
    program.child[Symbol.dispose]();
  });

  test("its arguments byte for byte", async () => {
    await using launcher = createLauncher();
    const args = ["", "-x", "--", "a b", "ü😀", "line\nbreak", "$HOME", "x".repeat(100_000)];
    const program = await start(launcher, ["/usr/bin/printf", "%s\\0", ...args]);
    await program.exit;
    const printed = Buffer.from(program.text("stdout"), "latin1").toString("utf8").split("\0").slice(0, -1);
    expect(printed).toEqual(args);
    program.child[Symbol.dispose]();
  });

  test("umask 022, its directory, room for 65536 files, and the first place when memory runs out", async () => {
    await using launcher = createLauncher();
    const { stdout } = await runScript(launcher, "umask; pwd; ulimit -Sn; cat /proc/self/oom_score_adj", {
      cwd: "/tmp",
    });
    const [umask, cwd, files, oom] = stdout.split("\n");
    expect([umask, cwd]).toEqual(["0022", "/tmp"]);
    expect(Number(files)).toBeLessThanOrEqual(65_536);
    expect(Number(oom)).toBeGreaterThanOrEqual(100);
  });

  test("nothing of it is on the command line or in the environment of the shim, for pkill -f to find", async () => {
    await using launcher = createLauncher();
    const { readFileSync } = await import("node:fs");
    const program = await start(launcher, ["/bin/sh", "-c", "echo up; exec sleep 60"], { env: { SECRET: "hush" } });
    await program.said(/up/);
    const { shimPid, pid } = program.child;
    const shown = (file: string): string => readFileSync(`/proc/${shimPid}/${file}`, "latin1").replaceAll("\0", "");
    // The program may be quicker than the shim, which starts it first.
    await expect.poll(() => shown("cmdline"), { timeout: 20_000 }).toBe("guestd-shim");
    await expect.poll(() => shown("environ"), { timeout: 20_000 }).toBe("");
    process.kill(pid, "SIGKILL");
    await program.exit;
    program.child[Symbol.dispose]();
  });
});

describe.skipIf(!isRoot)("another user", () => {
  test("gets its ids in all forms and exactly its groups, none of root's", async () => {
    await using launcher = createLauncher();
    const identity = { ...users.get("nobody"), groups: [65_534, 4321, 100] };
    const { Uid, Gid, Groups } = await ownStatus(launcher, { identity });
    expect(Uid?.split("\t")).toEqual(["65534", "65534", "65534", "65534"]);
    expect(Gid?.split("\t")).toEqual(["65534", "65534", "65534", "65534"]);
    expect(Groups?.trim().split(" ").toSorted()).toEqual(["100", "4321", "65534"]);
  });

  test("has no capability left", async () => {
    await using launcher = createLauncher();
    const { CapEff, CapPrm } = await ownStatus(launcher, { identity: users.get("nobody") });
    expect([CapEff, CapPrm]).toEqual(["0000000000000000", "0000000000000000"]);
  });

  test("may have an id beyond two thousand million", async () => {
    await using launcher = createLauncher();
    const big = 4_000_000_000;
    const identity = { ...users.get("nobody"), name: "big", uid: big, gid: big, groups: [big] };
    const { stdout } = await runScript(launcher, "id -u; id -g; id -G; echo x >/dev/stderr", { identity });
    expect(stdout).toBe(`${big}\n${big}\n${big}\n`);
  });

  test("owns its pipes", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/usr/bin/stat", "-L", "-c", "%u", "/dev/fd/0", "/dev/fd/1", "/dev/fd/2"], {
      identity: users.get("nobody"),
      hasStdin: true,
    });
    await program.exit;
    expect(program.text("stdout")).toBe("65534\n65534\n65534\n");
    program.child[Symbol.dispose]();
  });

  test("whose only group is the primary one has no other", async () => {
    await using launcher = createLauncher();
    const { Groups } = await ownStatus(launcher, { identity: users.get("nobody") });
    expect(Groups?.trim()).toBe("65534");
  });
});

describe("what a program used", () => {
  test("is the kernel's own account of it, children included, not this process's", async () => {
    await using launcher = createLauncher();
    const { exit } = await runScript(launcher, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
    expect(exit.usage.source).toBe("wait4");
    expect(exit.usage.userMs + exit.usage.systemMs).toBeGreaterThan(10);
    expect(exit.usage.wallMs).toBeGreaterThan(10);
    // A shell of a few MB, however large the test runner is.
    expect(exit.usage.maxRssBytes).toBeLessThan(20 * 1024 * 1024);
    expect(exit.usage.maxRssBytes).toBeGreaterThan(100 * 1024);
  });
});
