import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRunning } from "../../src/host/process-tree.ts";
import { CodeSession, descendantsWith, parentsOf, statusOf } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { errorsOf, resultOf, textOf, typesOf } from "../unit/kernels/cell-client.ts";

let daemon: TestDaemon;
let url = "";
beforeAll(async () => {
  const argv = ["--kernels", "python", "--preload", "numpy,no_such_module"];
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true, argv });
  url = daemon.interpreterUrl;
  await until(async () => (await fetch(`${url}/health`)).status === 200, 60_000);
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const open = (cwd?: string): Promise<CodeSession> => CodeSession.open(url, { language: "python", ...(cwd && { cwd }) });
const pidOf = async (session: CodeSession): Promise<number> => Number(await session.value("import os\nos.getpid()"));
const logged = (event: string): Record<string, unknown>[] => daemon.log.filter((line) => line["event"] === event);
const init = (body: object): Promise<Response> =>
  daemon.fetch("/init", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
/** The fork server, once it is ready. */
async function serverPid(): Promise<number> {
  await until(() => Number(logged("fork_server.ready").at(-1)?.["pid"] ?? 0) > 0);
  return Number(logged("fork_server.ready").at(-1)?.["pid"]);
}
/** Waits until there is another fork server than `old`. */
const replaced = (old: number): Promise<void> =>
  until(() => logged("fork_server.ready").at(-1)?.["pid"] !== old, 60_000);

/** Makes a package that pip can install without a network. */
const WHEEL = `
import os, zipfile
wheel = os.path.expanduser('~/fresh_one-1.0-py3-none-any.whl')
info = 'fresh_one-1.0.dist-info'
with zipfile.ZipFile(wheel, 'w') as archive:
    archive.writestr('fresh_one.py', 'ANSWER = 42')
    archive.writestr(f'{info}/METADATA', 'Metadata-Version: 2.1\\nName: fresh-one\\nVersion: 1.0\\n')
    archive.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    archive.writestr(f'{info}/RECORD', f'fresh_one.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n')
`;

describe("a forked kernel", () => {
  test("runs in a session of its own under its own shim, as the kernels' user, with one thread and its own descriptors", async () => {
    await using session = await open();
    const pid = await pidOf(session);
    const server = await serverPid();
    const { shim, server: parent } = parentsOf(pid);
    expect(parent).toBe(server);
    expect(statusOf(pid, "Uid")).toBe(statusOf(server, "Uid"));
    expect(statusOf(pid, "Threads")).toBe("1");
    expect(await session.value("(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())")).toBe("(True, True)");
    const private_ = readdirSync(`/proc/${pid}/fd`).map(Number);
    expect(private_.filter((fd) => fd >= 200)).toHaveLength(4);
    expect(readdirSync(`/proc/${shim}/fd`)).toEqual(["3"]);
  });

  test("has the packages loaded that were asked for, and nothing of the cells that warmed the server up", async () => {
    await until(() => logged("fork_server.loaded").length > 0, 60_000);
    await using session = await open();
    const lines = await session.run("[name for name in ('_', '__', '_1', '_i2') if globals().get(name)]");
    expect(lines[0]).toMatchObject({ type: "number_of_executions", execution_count: 1 });
    expect(resultOf(lines)).toBe("[]");
    expect(await session.value("import sys\n'numpy' in sys.modules")).toBe("True");
  });

  test("starts in the directory that was asked for with the variables of now", async () => {
    expect((await init({ envVars: { COLOUR: "grün 'n\"\n" } })).status).toBe(204);
    await using session = await open("/usr");
    expect(await session.value("import os\n(os.getcwd(), os.environ['COLOUR'], os.environ.get('GUESTD_PORT'))")).toBe(
      `('/usr', 'grün \\'n"\\n', None)`,
    );
    await init({ envVars: {} });
  });

  test("draws other random numbers than its siblings", async () => {
    await using first = await open();
    await using second = await open();
    const code = "import random, numpy\n(random.random(), numpy.random.rand())";
    const values = [await first.value(code), await second.value(code)];
    expect(new Set(values.flatMap((text) => text.match(/0\.\d+/g) ?? [])).size).toBe(4);
  });
});

test("after a resume a context that had seeded its generators, and a new one, draw what no copy draws", async () => {
  await using session = await open();
  await session.run("import random, numpy\nrandom.seed(1); numpy.random.seed(1)");
  await init({});
  const code = "import random, numpy\n(random.random(), numpy.random.rand())";
  expect(await session.value(code)).not.toMatch(/0\.13436|0\.41702/);
  await session.run("random.seed(1); numpy.random.seed(1)");
  expect(await session.value(code)).toMatch(/0\.13436.*0\.41702/);
});

describe("when something dies", () => {
  test("a kernel killed in a cell tells its true end, once, and is replaced behind the same id", async () => {
    await using session = await open();
    const lines = await session.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)");
    expect(typesOf(lines)).toEqual(["number_of_executions", "error", "end_of_execution"]);
    expect(errorsOf(lines)).toEqual([{ name: "ContextRestarting", value: "Context was restarted: signal SIGKILL" }]);
    expect(await session.value("40 + 2")).toBe("42");
  });

  test("a kernel that exits tells its code", async () => {
    await using session = await open();
    expect(errorsOf(await session.run("import os\nos._exit(7)"))).toEqual([
      { name: "ContextRestarting", value: "Context was restarted: exit code 7" },
    ]);
  });

  test("removing a context ends its whole tree and nobody else's", async () => {
    await using other = await open();
    const otherPid = await pidOf(other);
    const session = await open();
    const code = "import subprocess\nsubprocess.Popen(['setsid', 'sleep', '3000']).pid";
    const escaped = Number(await session.value(code));
    const pid = await pidOf(session);
    const { shim } = parentsOf(pid);
    await session[Symbol.asyncDispose]();
    await until(() => ![pid, escaped, shim].some(isRunning));
    expect(await pidOf(other)).toBe(otherPid);
  });

  test("the fork server's death in the middle of a cell is nothing to that cell", async () => {
    await using session = await open();
    const server = await serverPid();
    const folder = mkdtempSync(join(tmpdir(), "guestd-signal-"));
    chmodSync(folder, 0o755);
    const goOn = join(folder, "go-on");
    const code = `import os, time\nprint('up', flush=True)\nwhile not os.path.exists('${goOn}'): time.sleep(0.01)\n'went on'`;
    const stream = await session.openUp(code);
    process.kill(server, "SIGKILL");
    await replaced(server);
    writeFileSync(goOn, "");
    expect(resultOf(await stream.until())).toBe("went on");
    rmSync(folder, { recursive: true });
  });

  test("the fork server's death hurts no context; the next one comes from another one", async () => {
    await using session = await open();
    const pid = await pidOf(session);
    const server = await serverPid();
    process.kill(server, "SIGKILL");
    await replaced(server);
    expect(await pidOf(session)).toBe(pid);
    // Its shim has other parents now and still knows how it ends.
    expect(errorsOf(await session.run("os._exit(9)"))).toEqual([
      { name: "ContextRestarting", value: "Context was restarted: exit code 9" },
    ]);
    await using next = await open();
    expect(await next.value("6 * 7")).toBe("42");
  });

  test("the fork server's death while two clients wait for a context costs neither anything", async () => {
    const server = await serverPid();
    const opening = [open(), open()];
    process.kill(server, "SIGKILL");
    for (const session of await Promise.all(opening)) {
      expect(await session.value("6 * 7")).toBe("42");
      await session[Symbol.asyncDispose]();
    }
    await replaced(server);
  });

  test("a kernel whose shim is killed is reported as lost, not with a status that nobody knows, and leaves nothing", async () => {
    await using session = await open();
    const pid = await pidOf(session);
    const { shim } = parentsOf(pid);
    const stream = await session.openUp("import time\nprint('up', flush=True)\ntime.sleep(600)");
    process.kill(shim, "SIGKILL");
    const errors = errorsOf(await stream.until());
    expect(errors).toEqual([{ name: "ContextRestarting", value: "Context was restarted: an unknown status" }]);
    await until(() => !isRunning(pid));
    expect(await session.value("1 + 1")).toBe("2");
  });
});

describe("what the fork server has loaded", () => {
  test("is not used where variables count that a program reads at its start only", async () => {
    const server = await serverPid();
    await init({ envVars: { PYTHONDONTWRITEBYTECODE: "1" } });
    await using session = await open();
    expect(await session.value("import sys\nsys.flags.dont_write_bytecode")).toBe("1");
    await replaced(server);
    await using forked = await open();
    expect(await forked.value("import sys\nsys.flags.dont_write_bytecode")).toBe("1");
    const second = await serverPid();
    await init({ envVars: {} });
    await using plain = await open();
    expect(await plain.value("import sys\nsys.flags.dont_write_bytecode")).toBe("0");
    await replaced(second);
  });

  test("is loaded again when packages were installed", async () => {
    const home = mkdtempSync(join(tmpdir(), "guestd-home-"));
    chmodSync(home, 0o755);
    await init({ envVars: { HOME: home } });
    await using session = await open();
    const folder = await session.value("import site\nprint(site.getusersitepackages(), end='')");
    const server = await serverPid();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "brand_new.py"), "ANSWER = 42\n");
    await using next = await open();
    expect(await next.value("import brand_new\nbrand_new.ANSWER")).toBe("42");
    await replaced(server);
    expect(logged("fork_server.replaced").at(-1)?.["reason"]).toMatch(/installed|changed/);
    await init({ envVars: {} });
    rmSync(home, { recursive: true, force: true });
  });

  test("pip in a cell installs for the kernels' user, and the next cell sees it", async () => {
    const home = mkdtempSync(join(tmpdir(), "guestd-home-"));
    chmodSync(home, 0o777); // the kernels' user writes there, whoever that is
    await init({ envVars: { HOME: home, PIP_DISABLE_PIP_VERSION_CHECK: "1" } });
    await using session = await open();
    await session.value(WHEEL);
    const installed = await session.run("%pip install --user --no-index --no-deps {wheel}");
    expect(textOf(installed)).toContain("Successfully installed fresh-one-1.0");
    expect(await session.value("import fresh_one\nfresh_one.ANSWER")).toBe("42");
    await using next = await open();
    expect(await next.value("import fresh_one\nfresh_one.ANSWER")).toBe("42");
    await init({ envVars: {} });
    rmSync(home, { recursive: true, force: true });
  });

  test("leaves no process behind that is no kernel, shim or server in use", async () => {
    await until(() => descendantsWith(process.pid, "--fork-server").length <= 2, 30_000);
  });
});
