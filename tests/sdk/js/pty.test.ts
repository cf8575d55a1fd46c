import { CommandExitError, type CommandHandle, NotFoundError, Sandbox } from "e2b";
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

type CreateOptions = Partial<Parameters<Sandbox["pty"]["create"]>[0]>;

/** A shell in a terminal with what it has shown so far. */
class Shell {
  readonly #decoder = new TextDecoder();
  text = "";
  handle!: CommandHandle;

  static async open(options: CreateOptions = {}): Promise<Shell> {
    const shell = new Shell();
    shell.handle = await sandbox.pty.create({ cols: 80, rows: 24, ...options, onData: shell.take });
    return shell;
  }

  static async connect(pid: number): Promise<Shell> {
    const shell = new Shell();
    shell.handle = await sandbox.pty.connect(pid, { onData: shell.take });
    return shell;
  }

  readonly take = (bytes: Uint8Array): void => {
    this.text += this.#decoder.decode(bytes, { stream: true });
  };

  type(text: string): Promise<void> {
    return sandbox.pty.sendInput(this.handle.pid, new TextEncoder().encode(text));
  }

  said(text: string): Promise<void> {
    return until(() => this.text.includes(text));
  }
}

describe("pty.create", () => {
  test("opens a login shell of the size that was asked for, in colour and UTF-8", async () => {
    const shell = await Shell.open({ cols: 100, rows: 30 });
    await shell.type(
      "stty size; echo $TERM-$LANG; shopt -q login_shell && echo log''in; echo \u00fc\u{1F600}; exit 0\n",
    );
    expect(await shell.handle.wait()).toMatchObject({ exitCode: 0 });
    for (const text of ["30 100", "xterm-256color-C.UTF-8", "login", "\u00fc\u{1F600}"])
      expect(shell.text).toContain(text);
  });

  test("takes environment, directory and user", async () => {
    const shell = await Shell.open({ envs: { VALUE: "a b" }, cwd: "/tmp", user: "root" });
    await shell.type('echo "[$VALUE] $(pwd) $(id -un)"; exit\n');
    await shell.handle.wait();
    expect(shell.text).toContain("[a b] /tmp root");
  });

  test("ends with the code of the shell", async () => {
    const shell = await Shell.open();
    await shell.type("exit 7\n");
    const error = await shell.handle.wait().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CommandExitError);
    expect(error).toMatchObject({ exitCode: 7, error: "exit status 7" });
  });

  test("ends with its timeout", async () => {
    const shell = await Shell.open({ timeoutMs: 700 });
    await expect(shell.handle.wait()).rejects.toThrow();
    await until(async () => !(await sandbox.commands.list()).some(({ pid }) => pid === shell.handle.pid));
  });

  test("refuses a directory that does not exist", async () => {
    await expect(sandbox.pty.create({ cols: 80, rows: 24, onData: () => {}, cwd: "/no/such/place" })).rejects.toThrow(
      "does not exist",
    );
  });
});

describe("a terminal", () => {
  test("is listed and resized while it runs", async () => {
    const shell = await Shell.open();
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).toContain(shell.handle.pid);
    await sandbox.pty.resize(shell.handle.pid, { cols: 140, rows: 45 });
    await shell.type("stty size\n");
    await shell.said("45 140");
    expect(await shell.handle.kill()).toBe(true);
  });

  test("takes what is typed, Ctrl-C included", async () => {
    const shell = await Shell.open();
    await shell.type("echo run$((40 + 2)); sleep 100\n");
    await shell.said("run42");
    await shell.type("\u0003");
    await shell.type("echo aft''er; exit\n");
    await shell.said("after");
    // The shell ends with the status of the last command.
    expect(await shell.handle.wait()).toMatchObject({ exitCode: 0 });
  });

  test("is gone when kill returns", async () => {
    const shell = await Shell.open();
    const { pid } = shell.handle;
    expect(await sandbox.pty.kill(pid)).toBe(true);
    await expect(sandbox.commands.run(`kill -0 ${pid}`)).rejects.toBeInstanceOf(CommandExitError);
    await expect(shell.handle.wait()).rejects.toMatchObject({ exitCode: -1, error: "signal: killed" });
    expect(await sandbox.pty.kill(pid)).toBe(false);
    await expect(sandbox.pty.sendInput(pid, new Uint8Array([1]))).rejects.toBeInstanceOf(NotFoundError);
    await expect(sandbox.pty.resize(pid, { cols: 1, rows: 1 })).rejects.toBeInstanceOf(NotFoundError);
  });
});

describe("pty.connect", () => {
  test("goes on where the first subscriber left, and misses nothing", async () => {
    const first = await Shell.open();
    await first.type("PS1=; stty -echo; echo read''y\n");
    await first.said("ready");
    await first.handle.disconnect();
    await first.type("echo while nobody looked\n");
    const second = await Shell.connect(first.handle.pid);
    await second.said("while nobody looked");
    await second.type("echo and now; exit 3\n");
    await expect(second.handle.wait()).rejects.toMatchObject({ exitCode: 3 });
    expect(second.text).toContain("and now");
  });

  test("answers not found for a terminal that never was", async () => {
    await expect(sandbox.pty.connect(999_999_999, { onData: () => {} })).rejects.toBeInstanceOf(NotFoundError);
  });
});

test("fifty terminals at once show all of what they should", async () => {
  const texts = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const shell = await Shell.open();
      await shell.type(`echo number''-${index}; exit\n`);
      await shell.handle.wait();
      return shell.text.includes(`number-${index}\r\n`);
    }),
  );
  expect(texts).toEqual(texts.map(() => true));
});
