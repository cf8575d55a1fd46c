import { CommandExitError, type CommandHandle, NotFoundError, Sandbox, SandboxError, TimeoutError } from "e2b";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../../helpers/built-daemon.ts";
import { until } from "../../helpers/daemon.ts";

let daemon: BuiltDaemon;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startBuiltDaemon({ argv: ["--kernels="] });
  sandbox = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

const isRoot = process.geteuid?.() === 0;

describe("commands.run", () => {
  test("gives output and exit code", async () => {
    const result = await sandbox.commands.run("echo out; echo err >&2");
    expect(result).toMatchObject({ exitCode: 0, stdout: "out\n", stderr: "err\n" });
  });

  test("calls back with output as it comes", async () => {
    const pieces: string[] = [];
    await sandbox.commands.run("printf a; sleep 0.05; printf b; echo c >&2", {
      onStdout: (text) => void pieces.push(`out:${text}`),
      onStderr: (text) => void pieces.push(`err:${text}`),
    });
    expect(
      pieces
        .filter((piece) => piece.startsWith("out:"))
        .map((piece) => piece.slice(4))
        .join(""),
    ).toBe("ab");
    expect(pieces).toContain("err:c\n");
  });

  test("throws CommandExitError with everything in it for another exit code", async () => {
    const error = await sandbox.commands.run("echo out; echo err >&2; exit 3").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CommandExitError);
    expect(error).toMatchObject({ exitCode: 3, stdout: "out\n", stderr: "err\n", error: "exit status 3" });
  });

  test("tells a missing command by exit code 127", async () => {
    await expect(sandbox.commands.run("no-such-command-anywhere")).rejects.toMatchObject({ exitCode: 127 });
  });

  test("takes environment, directory and user", async () => {
    const value = `it's "quoted" $HOME \n ü 😀`;
    const envs = await sandbox.commands.run('printf %s "$VALUE"', { envs: { VALUE: value } });
    expect(envs.stdout).toBe(value);
    expect((await sandbox.commands.run("pwd", { cwd: "/tmp" })).stdout).toBe("/tmp\n");
    if (isRoot) expect((await sandbox.commands.run("id -un", { user: "user" })).stdout).toBe("user\n");
  });

  test("starts in the user's home", async () => {
    expect((await sandbox.commands.run('[ "$(pwd)" = "$HOME" ] && echo same')).stdout).toBe("same\n");
  });

  test("ends what takes longer than its timeout", async () => {
    const began = performance.now();
    await expect(sandbox.commands.run("sleep 30", { timeoutMs: 300 })).rejects.toBeInstanceOf(TimeoutError);
    expect(performance.now() - began).toBeLessThan(20_000);
    await until(async () => !(await sandbox.commands.list()).some(({ args }) => args.includes("sleep 30")));
  });

  test("refuses a directory that does not exist, and a user", async () => {
    await expect(sandbox.commands.run("true", { cwd: "/no/such/place" })).rejects.toThrow("does not exist");
    await expect(sandbox.commands.run("true", { user: "nobody-of-that-name" })).rejects.toThrow("invalid username");
  });

  test("does not wait for what runs on in the background", async () => {
    const began = performance.now();
    expect((await sandbox.commands.run("sleep 30 & echo hi")).stdout).toBe("hi\n");
    expect(performance.now() - began).toBeLessThan(20_000);
    await sandbox.commands.run("pkill -x -f 'sleep 30'");
  });
});

describe("background commands", () => {
  test("can be waited for", async () => {
    const handle = await sandbox.commands.run("sleep 0.1; echo done", { background: true });
    expect(handle.pid).toBeGreaterThan(0);
    expect(await handle.wait()).toMatchObject({ exitCode: 0, stdout: "done\n" });
  });

  test("take standard input until it is closed", async () => {
    const handle = await sandbox.commands.run("cat; echo end", { background: true, stdin: true });
    await sandbox.commands.sendStdin(handle.pid, "first\n");
    await sandbox.commands.sendStdin(handle.pid, "second\n");
    await sandbox.commands.closeStdin(handle.pid);
    expect((await handle.wait()).stdout).toBe("first\nsecond\nend\n");
  });

  test("take it through their handle too, which has what they printed and how they ended", async () => {
    const handle = await sandbox.commands.run("cat; echo no >&2; exit 3", { background: true, stdin: true });
    await handle.sendStdin("first\n");
    await handle.closeStdin();
    await expect(handle.wait()).rejects.toBeInstanceOf(CommandExitError);
    expect([handle.stdout, handle.stderr, handle.exitCode, handle.error]).toEqual([
      "first\n",
      "no\n",
      3,
      "exit status 3",
    ]);
  });

  test("are listed while they run", async () => {
    const handle = await sandbox.commands.run("sleep 20", { background: true, envs: { NAME: "value" }, cwd: "/tmp" });
    const listed = (await sandbox.commands.list()).find(({ pid }) => pid === handle.pid);
    expect(listed).toMatchObject({
      cmd: "/bin/bash",
      args: ["-l", "-c", "sleep 20"],
      envs: { NAME: "value" },
      cwd: "/tmp",
    });
    await handle.kill();
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).not.toContain(handle.pid);
  });

  test("are gone when kill returns", async () => {
    const handle = await sandbox.commands.run("sleep 20", { background: true });
    expect(await handle.kill()).toBe(true);
    await expect(sandbox.commands.run(`kill -0 ${handle.pid}`)).rejects.toBeInstanceOf(CommandExitError);
    await expect(handle.wait()).rejects.toMatchObject({ exitCode: -1, error: "signal: killed" });
    expect(await sandbox.commands.kill(handle.pid)).toBe(false);
  });

  test("survive their subscriber and can be connected to again", async () => {
    const first = await sandbox.commands.run("for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done; exit 4", {
      background: true,
    });
    await first.disconnect();
    const second: CommandHandle = await sandbox.commands.connect(first.pid);
    const error = await second.wait().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ exitCode: 4, stdout: expect.stringContaining("6\n") });
  });

  test("answer not found for a process that never was", async () => {
    await expect(sandbox.commands.connect(999_999_999)).rejects.toBeInstanceOf(NotFoundError);
    await expect(sandbox.commands.sendStdin(999_999_999, "x")).rejects.toBeInstanceOf(SandboxError);
  });
});

test("isRunning is true", async () => {
  expect(await sandbox.isRunning()).toBe(true);
});

test("two hundred commands at once all end right", async () => {
  const results = await Promise.all(Array.from({ length: 200 }, (_, index) => sandbox.commands.run(`echo ${index}`)));
  expect(results.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 200 }, (_, index) => `${index}\n`));
});
