import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Identity, Users } from "../../src/host/users.ts";
import { type TestDaemon, until } from "../helpers/daemon.ts";
import { login, LoginHome, type Result, startLoginDaemon, tried, trials } from "../helpers/login-home.ts";

const isRoot = process.geteuid?.() === 0;
const accounts: Identity[] = isRoot ? [new Users().get("root"), new Users().get("user")] : [new Users().self()];

/** All of a shell's state that a command can ask for, in an order of its own. */
const STATE = `status=$?; echo "status $status $0 $# $-"; env -0 | sort -z | tr '\\0' '\\n'; declare -p; declare -f; alias -p; complete -p
trap -p; umask; pwd; pwd -P; dirs; enable -a; jobs; shopt; set -o; ulimit -Sa; ulimit -Ha; times >/dev/null; ls /proc/self/fd; nice
grep -E '^(Sig(Blk|Ign|Cgt)|Cap|Groups|Umask)' /proc/self/status`;
/** Lines that no two shells have in common, or (the last two) that tell a login shell. */
const VOLATILE = new RegExp(
  "^declare -\\S+ (?:_|BASHPID|BASH_ARG\\w|BASH_CMDS|BASH_LINENO|BASH_SOURCE|EPOCH\\w+|LINENO|PIPESTATUS|PPID|S?RANDOM|SECONDS)=" +
    "|^login_shell|^declare -r BASHOPTS",
);

function stateOf({ stdout }: Result): string[] {
  return stdout.split("\n").filter((line) => !VOLATILE.test(line));
}

/** A daemon without the option: what it says is right. */
let plain: TestDaemon;
beforeAll(async () => {
  plain = await startLoginDaemon([]);
});
afterAll(async () => plain?.[Symbol.asyncDispose]());

/** What `home` prints with the option, which must be what it prints without. */
async function expectSame(home: LoginHome, commandLine: string, more: Record<string, unknown> = {}): Promise<Result> {
  const { envs, ...rest } = more as { envs?: Record<string, string> };
  const cached = await home.login(commandLine, more);
  const real = await login(plain, commandLine, { ...rest, envs: { HOME: home.path, ...envs } });
  expect({ ...cached, stdout: stateOf(cached) }).toMatchObject({
    ending: real.ending,
    exitCode: real.exitCode,
    stdout: stateOf(real),
    stderr: real.stderr,
  });
  return cached;
}

describe.each(accounts)("a login of $name", ({ name: user }) => {
  test("is the same with the option and without, on this machine", async () => {
    await using daemon = await startLoginDaemon(["--cached-login"]);
    for (const stdin of [true, false]) {
      await tried(daemon, { user, stdin });
      const [cached, real] = [await login(daemon, STATE, { user, stdin }), await login(plain, STATE, { user, stdin })];
      expect(stateOf(real).length).toBeGreaterThan(100);
      expect(stateOf(cached)).toEqual(stateOf(real));
      expect(cached.stderr).toBe(real.stderr);
    }
  });

  test("is the same in the environment of an earlier one, whatever is in that", async () => {
    await using home = await LoginHome.open(`
      export PLAIN=1 EMPTY= QUOTES=$'a"b\\'c$d\`e\\\\' LINES=$'one\\ntwo\\n\\nfour\\n' WORDS='ü € 🙂' PATH="$HOME/bin:$PATH" EXPR='A=B=C'
      greet() { echo "hello $1"; }
      export -f greet
      unset GIVEN_AWAY
    `);
    const more = { user, envs: { GIVEN: "a\nb=c", GIVEN_AWAY: "1", "NOT-A-NAME": "2", SHLVL: "3", "7": "8" } };
    expect(await home.tried(more)).toMatchObject({ event: "login.captured" });
    expect(await home.isCached(more)).toBe(true);
    await expectSame(home, STATE, more);
    expect((await home.login("env -0; greet you", more)).stdout).toContain("LINES=one\ntwo\n\nfour\n\0");
    expect((await home.login("greet you", more)).stdout).toBe("hello you\n");
  });
});

describe("a login is replaced no longer", () => {
  test("from the first command on that starts after a change of ~/.profile", async () => {
    await using home = await LoginHome.open("export VALUE=0\n");
    await home.tried();
    expect(await home.isCached()).toBe(true);
    for (let value = 1; value <= 20; value += 1) {
      home.write(".profile", `export VALUE=${value % 10}\n`);
      expect((await home.login("echo $VALUE")).stdout).toBe(`${value % 10}\n`);
    }
    await until(() => home.isCached());
    expect((await home.login("echo $VALUE")).stdout).toBe("0\n");
  });

  test("after a new file where its profile takes what it finds, and after a new ~/.bash_profile", async () => {
    await using home = await LoginHome.open('for f in "$HOME"/.rc.d/*.sh; do [ -r "$f" ] && . "$f"; done; unset f\n');
    mkdirSync(join(home.path, ".rc.d"));
    home.write(".rc.d/a.sh", "export A=1\n");
    await home.tried();
    expect(await home.isCached()).toBe(true);
    home.write(".rc.d/b.sh", "export B=2\n");
    expect((await home.login("echo $A $B")).stdout).toBe("1 2\n");
    await until(() => home.isCached());
    home.write(".bash_profile", "export ONLY=3\n");
    expect((await home.login("echo $A $B $ONLY")).stdout).toBe("3\n");
  });

  test("when something appears that its profile looked for", async () => {
    await using home = await LoginHome.open(`
      if [ -d "$HOME/my bin" ]; then PATH="$HOME/my bin:$PATH"; fi
      if [ -e marker ]; then export MARKED=1; fi
      if command -v a-tool >/dev/null; then export TOOL=1; fi
    `);
    const tools = join(home.path, "tools");
    const more = { cwd: home.path, envs: { PATH: `${tools}:/usr/bin:/bin` } };
    const look = async (): Promise<string> => (await home.login("echo ${PATH%%:*} $MARKED $TOOL", more)).stdout;
    const cached = (): Promise<boolean> => home.isCached(more);
    mkdirSync(tools);
    await home.tried(more);
    await until(cached);
    const [first = ""] = (await login(plain, "echo ${PATH%%:*}", { envs: { HOME: "/nowhere" } })).stdout.split("\n");
    expect(await look()).toBe(`${first}\n`);
    home.write("marker", "");
    expect(await look()).toBe(`${first} 1\n`);
    await until(cached);
    mkdirSync(join(home.path, "my bin"));
    expect(await look()).toBe(`${home.path}/my bin 1\n`);
  });
});

describe("a login stays real", () => {
  test.each([
    ["defines a function", "f() { echo f; }", "functions"],
    ["sets a variable that it does not export", "A=1", "variable"],
    ["exports a name without a value", "export A", "attributes"],
    ["makes a variable read-only", "export TMOUT=600; readonly TMOUT", "variable"],
    ["defines an alias", "alias a=b", "aliases"],
    ["prints", "echo hello", "output"],
    ["prints on standard error", "echo hello >&2", "output"],
    ["sets the umask", "umask 077", "umask"],
    ["sets a limit", "ulimit -n 100", "limits"],
    ["goes elsewhere", "cd /usr", "directory"],
    ["sets a trap", "trap 'echo bye' EXIT", "output"],
    ["traps a signal", "trap '' TERM", "traps"],
    ["sets an option", "set -u", "options"],
    ["sets an option of bash", "shopt -s extglob", "variable"],
    ["ends with a failure", "false", "status"],
    ["sets arguments", "set -- a b", "arguments"],
    ["opens a file", "exec 7</etc/passwd", "descriptors"],
    ["silences standard error", "exec 2>/dev/null", "descriptors"],
    ["ends the shell", "exit 0", "startup"],
    ["starts another shell", "exec sh", "startup"],
    ["leaves a process behind", "sleep 60 >/dev/null 2>&1 & disown; unset -v _", "processes"],
    ["changes each time", "export STAMP=$$", "changing variable"],
    ["changes a file each time", 'touch "$HOME/stamp"', "changing files"],
    ["sources what it finds on the search path", ". nothing.sh 2>/dev/null; :", "files"],
    ["exports what is not UTF-8", "export BYTE=$'\\xff'", "changing encoding"],
    ["sets BASH_ENV", 'export BASH_ENV="$HOME/none"', "BASH_ENV"],
    ["remembers where a command is", "hash -p /bin/true frobnicate", "hashes"],
    ["switches a builtin off", "enable -n kill", "builtins"],
  ])("whose profile %s", async (_, profile, differs) => {
    await using home = await LoginHome.open(`${profile}\n`);
    expect(await home.tried()).toMatchObject({ event: "login.not_cached", differs });
    if (differs === "changing variable" || differs === "processes") {
      expect((await home.login("shopt -q login_shell")).exitCode).toBe(0);
    } else await expectSame(home, STATE);
  });

  test("whose end has more to do than to clear the console", async () => {
    await using home = await LoginHome.open("");
    home.write(
      ".bash_logout",
      '# usual\nif [ "$SHLVL" = 1 ]; then\n  [ -x /usr/bin/clear_console ] && /usr/bin/clear_console -q\nfi\n',
    );
    await home.tried();
    expect(await home.isCached()).toBe(true);
    home.write(".bash_logout", "echo bye\n");
    await until(async () => {
      expect(await home.login("exit 3")).toMatchObject({ stdout: "bye\n", exitCode: 3 });
      return trials(home.daemon).at(-1)?.["differs"] === "logout";
    });
  });

  test("whose profile reads the command's input", async () => {
    await using home = await LoginHome.open("read -r LINE; unset LINE\n");
    expect(await home.tried({ stdin: "first\nsecond\n" })).toMatchObject({ differs: "input" });
    expect((await home.login("cat", { stdin: "first\nsecond\n" })).stdout).toBe("second\n");
  });

  test("in a terminal, with BASH_ENV, and with other arguments", async () => {
    await using home = await LoginHome.open("export A=1\n");
    home.write("env.sh", "echo from BASH_ENV\n");
    await home.tried();
    await home.login("true", { pty: { cols: 80, rows: 24 } });
    const envs = { BASH_ENV: join(home.path, "env.sh") };
    for (let start = 0; start < 3; start += 1) {
      expect(await home.isCached()).toBe(true);
      expect((await home.login("shopt -q login_shell", { pty: { cols: 80, rows: 24 } })).exitCode).toBe(0);
      expect(
        (await home.login("shopt -q login_shell", { args: ["-l", "-c", "shopt -q login_shell", "x"] })).exitCode,
      ).toBe(0);
      expect((await home.login("echo $A", { envs })).stdout).toBe("from BASH_ENV\n1\n");
    }
    expect(trials(home.daemon)).toHaveLength(1);
  });
});

test("logins with different environments have nothing to do with each other", async () => {
  await using home = await LoginHome.open('export DOUBLE="$GIVEN$GIVEN"\n');
  for (const GIVEN of ["1", "2"]) {
    await home.tried({ envs: { GIVEN } });
    expect(await home.isCached({ envs: { GIVEN } })).toBe(true);
  }
  expect((await home.login("echo $DOUBLE", { envs: { GIVEN: "1" } })).stdout).toBe("11\n");
  expect((await home.login("echo $DOUBLE", { envs: { GIVEN: "2" } })).stdout).toBe("22\n");
  expect((await home.login("echo $DOUBLE", { envs: { GIVEN: "3" } })).stdout).toBe("33\n");
});

test("environments that never come again are not tried for long", async () => {
  await using home = await LoginHome.open("");
  for (let id = 0; id < 40; id += 1) await home.login("true", { envs: { TRACE_ID: String(id) } });
  expect(trials(home.daemon).length).toBeLessThanOrEqual(8);
  await until(() => home.isCached({ envs: { TRACE_ID: "again" } }));
});

test("a command ends as it does after a real login, and its record says what was asked for", async () => {
  await using home = await LoginHome.open("export A=1\n");
  await home.tried();
  const commandLines = [
    "exit 7",
    "kill -TERM $$",
    "kill -KILL $$",
    "no-such-command",
    "false",
    "",
    "exec true",
    "sh -c 'exit 9'",
  ];
  for (const commandLine of [
    ...commandLines,
    "syntax (",
    "trap 'echo x' EXIT; exit 2",
    "{ sh -c 'kill -HUP $$'; } 2>/dev/null; echo $?",
  ]) {
    const { id } = await expectSame(home, commandLine);
    const record = (await (await home.daemon.fetch(`/v1/runs/${id}`)).json()) as { cmd: string; args: string[] };
    expect(record).toMatchObject({ cmd: "/bin/bash", args: ["-l", "-c", commandLine] });
  }
});

test("200 commands at once print the same, before a login is known and after", async () => {
  await using home = await LoginHome.open("export A=1\n");
  const all = (): Promise<Result[]> =>
    Promise.all(Array.from({ length: 200 }, (_, index) => home.login(`echo $A ${index}`)));
  const first = await all();
  await until(() => home.isCached());
  for (const results of [first, await all()]) {
    expect(results.map(({ stdout }) => stdout)).toEqual(results.map((__, index) => `1 ${index}\n`));
  }
  expect(trials(home.daemon)).toHaveLength(1);
});

test("a profile that hangs delays nobody but its own commands, and is replaced when it hangs no longer", async () => {
  await using home = await LoginHome.open('while [ -e "$HOME/hold" ]; do sleep 0.01; done\n');
  home.write("hold", "");
  // More logins that hang than are tried at once.
  const held = ["1", "2", "3"].map((ID) => home.login("echo $ID", { envs: { ID } }));
  await until(() => home.trialProcesses().length >= 2);
  // Both places are taken: a login elsewhere is real, and nothing waits for anything.
  for (let start = 0; start < 5; start += 1) {
    expect((await login(home.daemon, "shopt -q login_shell && echo real")).stdout).toBe("real\n");
  }
  expect(trials(home.daemon)).toEqual([]);
  rmSync(join(home.path, "hold"));
  expect((await Promise.all(held)).map(({ stdout }) => stdout)).toEqual(["1\n", "2\n", "3\n"]);
  await until(() => home.isCached({ envs: { ID: "1" } }));
}, 60_000);

test("a daemon that ends leaves no trial behind", async () => {
  await using home = await LoginHome.open('while [ -e "$HOME/hold" ]; do sleep 0.01; done\n');
  home.write("hold", "");
  const started = await home.daemon.fetch("/v1/run?background=1", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ cmd: "/bin/bash", args: ["-l", "-c", "true"], envs: { HOME: home.path } }),
  });
  expect(started.status).toBe(202);
  await until(() => home.trialProcesses().length > 0);
  await home.daemon.daemon[Symbol.asyncDispose]();
  expect(home.processes()).toEqual([]);
});

test("without the option every login is real", async () => {
  expect((await login(plain, "shopt -q login_shell")).exitCode).toBe(0);
  expect((await login(plain, "shopt -q login_shell")).exitCode).toBe(0);
  expect(trials(plain)).toEqual([]);
});
