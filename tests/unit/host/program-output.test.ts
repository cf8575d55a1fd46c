import { createHash } from "node:crypto";
import { mkdtempDisposableSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createLauncher, runScript, start, users } from "./programs.ts";
import { until } from "../../helpers/daemon.ts";

const KIB = 1024;
const BASE = { env: { PATH: "/usr/bin:/bin" }, cwd: "/", identity: users.self(), hasStdin: false };

describe("output", () => {
  test("is complete, byte for byte, on both streams", async () => {
    await using launcher = createLauncher();
    const hashes = { stdout: createHash("sha256"), stderr: createHash("sha256"), pty: createHash("sha256") };
    const expected = createHash("sha256");
    const block = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    for (let index = 0; index < 20_000; index += 1) expected.update(block);
    const folder = mkdtempSync(join(tmpdir(), "guestd-output-"));
    writeFileSync(join(folder, "blocks"), Buffer.concat(Array.from({ length: 20_000 }, () => block)));
    const argv = ["/bin/sh", "-c", `cat ${folder}/blocks; cat ${folder}/blocks >&2`] as const;
    using child = await launcher.start({ ...BASE, argv }, (stream, bytes) => {
      hashes[stream].update(bytes);
      return true;
    });
    expect((await child.exit).status).toEqual({ code: 0 });
    const digest = expected.digest("hex");
    expect([hashes.stdout.digest("hex"), hashes.stderr.digest("hex")]).toEqual([digest, digest]);
    rmSync(folder, { recursive: true });
  });

  test("of many short programs at once is complete every time", async () => {
    await using launcher = createLauncher();
    const runs = Array.from({ length: 40 }, (_, index) =>
      runScript(launcher, `echo out ${index}; echo err ${index} >&2`),
    );
    for (const [index, { stdout, stderr }] of (await Promise.all(runs)).entries()) {
      expect([stdout, stderr]).toEqual([`out ${index}\n`, `err ${index}\n`]);
    }
  });

  test("that fills the pipe is delivered whole when its program exits while nobody reads", async () => {
    await using launcher = createLauncher();
    let size = 0;
    let isOpen = false;
    let reads = 0;
    const argv = ["/bin/sh", "-c", `head -c ${64 * KIB} /dev/zero; head -c ${64 * KIB} /dev/zero >&2`] as const;
    using child = await launcher.start({ ...BASE, argv }, (_stream, bytes) => {
      size += bytes.length;
      reads += 1;
      return isOpen;
    });
    let hasDrained = false;
    void child.exit.then(() => (hasDrained = true));
    await until(() => child.hasEnded && reads >= 2);
    // What is still in the pipes is owed: no clock may end this.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const before = size;
    isOpen = true;
    child.resumeOutput();
    expect((await child.exit).status).toEqual({ code: 0 });
    expect([size, hasDrained]).toEqual([128 * KIB, true]);
    expect(before).toBeLessThanOrEqual(128 * KIB);
  });

  test("stops when its taker says so, and the program with it; goes on where it was", async () => {
    await using launcher = createLauncher();
    let size = 0;
    let limit = 300_000;
    const argv = ["/bin/sh", "-c", "head -c 3000000 /dev/zero; echo end >&2"] as const;
    let errors = "";
    using child = await launcher.start({ ...BASE, argv }, (stream, bytes) => {
      if (stream === "stderr") errors += Buffer.from(bytes).toString();
      else size += bytes.length;
      return size < limit;
    });
    await until(() => size >= limit);
    const stopped = size;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([size, errors, child.hasEnded]).toEqual([stopped, "", false]);
    limit = Infinity;
    child.resumeOutput();
    await child.exit;
    expect([size, errors]).toEqual([3_000_000, "end\n"]);
  });

  test("that a program closes early ends nothing but itself", async () => {
    await using launcher = createLauncher();
    const { stdout, stderr, exit } = await runScript(
      launcher,
      "echo a; exec >&-; echo b >&2; exec 2>&-; sleep 0.05; exit 3",
    );
    expect([stdout, stderr, exit.status]).toEqual(["a\n", "b\n", { code: 3 }]);
  });
});

/** Waits for the last child to be the program it was forked for. */
const UNTIL_SLEEP = 'until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done';

describe("a child that is left behind with the pipes", () => {
  test("does not hold up the end, and is named with its command", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", `sleep 30 & ${UNTIL_SLEEP}; echo $!`]);
    const began = performance.now();
    const { status, pipesHeldBy } = await program.exit;
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(status).toEqual({ code: 0 });
    expect(pipesHeldBy).toEqual([{ pid: Number(program.text("stdout")), command: "sleep" }]);
  });

  test("is named also when it holds only one of them, or left the session", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", `setsid sleep 30 >/dev/null & ${UNTIL_SLEEP}`]);
    const { pipesHeldBy } = await program.exit;
    expect(pipesHeldBy.map(({ command }) => command)).toEqual(["sleep"]);
  });

  test("is not named when it gave the pipes up", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $!"]);
    expect((await program.exit).pipesHeldBy).toEqual([]);
  });

  test("is still heard after the end", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "(read go </dev/stdin; echo late) & echo first; exit 0"]);
    await program.exit;
    expect(program.text("stdout")).toMatch(/^first\n/);
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-late-"));
    const go = join(folder.path, "go");
    const script = '(until [ -e "$0" ]; do sleep 0.02; done; echo late) & echo first';
    const later = await start(launcher, ["/bin/sh", "-c", script, go]);
    await later.exit;
    expect(later.text("stdout")).toBe("first\n");
    writeFileSync(go, "");
    await later.said(/late/);
  });

  test("that writes without a pause holds the end up for about a second, not longer", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "(while :; do echo x; done) & echo $!"]);
    await program.said(/\d+\n/);
    const began = performance.now();
    const { pipesHeldBy } = await program.exit;
    // Normally a second; a machine so busy that the writer pauses for 50 ms ends it sooner.
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(pipesHeldBy.length).toBeGreaterThan(0);
  });

  test("keeps `gone` waiting until it has ended too", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "sleep 30 & echo $!"]);
    await program.exit;
    let isGone = false;
    void program.child.gone.then(() => (isGone = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isGone).toBe(false);
    process.kill(Number(program.text("stdout")), "SIGKILL");
    await program.child.gone;
  });
});

describe("the end of a program", () => {
  test.each([0, 1, 7, 126, 127, 255])("by itself has its code: %i", async (code) => {
    await using launcher = createLauncher();
    expect((await runScript(launcher, `exit ${code}`)).exit.status).toEqual({ code });
  });

  test.each(["SIGTERM", "SIGKILL", "SIGHUP", "SIGSEGV", "SIGPIPE", "SIGUSR1"] as const)(
    "by a signal names it: %s",
    async (signal) => {
      await using launcher = createLauncher();
      const { exit } = await runScript(launcher, `ulimit -c 0; kill -${signal.slice(3)} $$; sleep 5`);
      expect(exit.status).toEqual({ signal, coreDumped: false });
    },
  );

  test("by a real-time signal names that too", async () => {
    await using launcher = createLauncher();
    expect((await runScript(launcher, "kill -36 $$; sleep 5")).exit.status).toMatchObject({ signal: "SIGRTMIN+2" });
  });

  test("is unknown when the shim was killed, and nobody waits for ever", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "echo up; exec sleep 60"]);
    await program.said(/up/);
    process.kill(program.child.shimPid, "SIGKILL");
    const { status, usage } = await program.exit;
    expect([status, usage.source]).toEqual([undefined, "clock"]);
    process.kill(program.child.pid, "SIGKILL");
  });

  test("was reached for `hasEnded` from the moment it is known", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/true"]);
    await program.exit;
    expect(program.child.hasEnded).toBe(true);
  });
});
