import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { CONFIG_FIELDS } from "../../src/config-fields.ts";
import { REPOSITORY } from "../helpers/daemon.ts";
import { installForEverybody } from "../helpers/installation.ts";
import { ENV, endServed, type Finished, MAIN, QUICK, run, serve } from "../unit/config/daemon-process.ts";

const TOKEN = "tok-cli-8d2f";

afterEach(endServed);

describe("what only prints", () => {
  test("--version is one line on stdout", () => {
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8")) as { version: string };
    expect(run(["--version"])).toEqual({ code: 0, stdout: `guestd ${version}\n`, stderr: "" });
  });

  test("--help names every flag and variable, on stdout", () => {
    const { code, stdout, stderr } = run(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    for (const { flag, env } of Object.values(CONFIG_FIELDS)) {
      expect(stdout).toContain(`--${flag}`);
      expect(stdout).toContain(env);
    }
    expect(stdout).toContain("GUESTD_TOKEN_FILE");
    expect(run(["-h"]).stdout).toBe(stdout);
  });
});

function failsWith(code: number, finished: Finished, pattern: RegExp): void {
  expect([finished.code, finished.stdout]).toEqual([code, ""]);
  expect(finished.stderr).toMatch(/^guestd: [^\n]+\n$/);
  expect(finished.stderr).toMatch(pattern);
}

describe("what cannot be is one line on stderr and", () => {
  test.each([
    [["--prot", "1"], {}, /'--prot'.*--help/],
    [["frobnicate"], {}, /'frobnicate'/],
    [["--port", "70000"], {}, /--port: .*"70000"/],
    [["--port", "-1"], {}, /--port/],
    [[], { GUESTD_LOG_LEVEL: "loud" }, /GUESTD_LOG_LEVEL: .*"loud"/],
    [[], { GUESTD_TOKEN_FILE: "/nowhere/token" }, /GUESTD_TOKEN_FILE: .*"\/nowhere\/token"/],
    [["health", "--port", "x"], {}, /--port/],
    [["--port", "off", "--interpreter-port", "off"], {}, /nothing to reach guestd by; add --listen/],
  ] as [string[], Record<string, string>, RegExp][])("2 for a usage that is none: %j %j", (argv, env, pattern) => {
    failsWith(2, run(argv, env), pattern);
  });

  test("1 for a port that is taken", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    failsWith(
      1,
      run([...QUICK.slice(2), "--port", String(port)]),
      new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: address already in use`),
    );
    failsWith(
      1,
      run([...QUICK.slice(0, 2), "--kernels=", "--interpreter-port", String(port)]),
      /address already in use/,
    );
    taken.close();
  });

  test("1 for an address that this machine does not have", () => {
    failsWith(1, run([...QUICK, "--host", "192.0.2.1"]), /cannot listen on 192\.0\.2\.1:0: address not available/);
  });

  test("1 for a language that there is no kernel for", () => {
    failsWith(1, run([...QUICK.slice(0, 4), "--kernels", "cobol"]), /"cobol"; known: /);
  });
});

describe("health", () => {
  test("is 0 and ok when a daemon answers, with or without a token", async () => {
    for (const env of [{}, { GUESTD_TOKEN: TOKEN }]) {
      const { url } = await serve([], env);
      expect(run(["health", "--port", new URL(url).port])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
      expect(run(["health"], { GUESTD_PORT: new URL(url).port }).code).toBe(0);
    }
  });

  test("is 1 and one line when nobody answers, or somebody else", async () => {
    const other = createServer((_request, response) => response.writeHead(500).end()).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const health = spawn(process.execPath, [MAIN, "health", "--port", String(port)], {
      env: ENV,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [[text], [code]] = (await Promise.all([once(health.stderr, "data"), once(health, "exit")])) as [
      [Buffer],
      [number],
    ];
    expect([code, text.toString()]).toEqual([1, `guestd: 127.0.0.1:${port} answered 500\n`]);
    other.close();
    await once(other, "close");
    const { code: nobody, stderr } = run(["health", "--port", String(port)]);
    expect([nobody, stderr]).toEqual([1, expect.stringMatching(/^guestd: nothing answers on 127\.0\.0\.1:\d+: .+\n$/)]);
  });
});

test("doctor says what works here, and is 0 when programs do", () => {
  const { code, stdout, stderr } = run(["doctor", "--kernels="]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^guestd \d+\.\d+\.\d+, Node /);
  expect(stdout).toMatch(/^ {2}ok {3}processes +\S+guestd-shim$/m);
  expect(stdout).toMatch(/^ {2}ok {3}git +\d+\.\d+/m);
  for (const name of ["users", "terminals", "inotify", "cgroup"]) {
    expect(stdout).toMatch(new RegExp(`^  (ok|--)   ${name}( |$)`, "m"));
  }
  // What does not work comes with what would help.
  expect(stdout.match(/^ {2}-- /gm)?.length ?? 0).toBe(stdout.match(/^ +fix: \S/gm)?.length ?? 0);
});

test("doctor is 1 where guestd could keep nothing or has nobody to run programs as, and says what would help; git is missed where there is none", () => {
  const { code, stdout } = run(["doctor", "--kernels=", "--state-dir", "/proc/nowhere"]);
  expect([code, stdout]).toEqual([
    1,
    expect.stringMatching(/^ {2}-- {3}state .*"\/proc\/nowhere".*\n +fix: .*--state-dir\n$/),
  ]);
  const ghost = run(["doctor", "--kernels=", "--default-user", "ghost"]);
  expect([ghost.code, ghost.stdout]).toEqual([
    1,
    expect.stringMatching(/^ {2}-- {3}users .*"ghost".*\n +fix: .*--default-user\n$/),
  ]);
  const without = run(["doctor", "--kernels="], { PATH: "/nowhere" });
  expect([without.code, without.stdout]).toEqual([0, expect.stringMatching(/^ {2}-- {3}git .*\n +fix: install git/m)]);
});

test.runIf(process.geteuid?.() === 0)(
  "doctor finds what another user's kernels run on, in a folder that only root enters",
  () => {
    using installation = installForEverybody();
    chmodSync(installation.root, 0o700);
    const { status, stdout } = spawnSync(process.execPath, [join(installation.root, "dist", "main.js"), "doctor"], {
      env: { ...ENV, GUESTD_DEFAULT_USER: "nobody", GUESTD_KERNELS: "python" },
      encoding: "utf8",
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}ok {3}python +\d+\.\d+/m);
  },
);
