import { chmodSync, existsSync, mkdirSync, mkdtempDisposableSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

interface Template {
  state: string;
  run?: string;
  restarts: number;
}
interface ListedRun {
  id: string;
  tag?: string;
}

async function template(daemon: TestDaemon): Promise<Template> {
  return ((await (await daemon.fetch("/v1/info")).json()) as { template: Template }).template;
}

async function startRuns(daemon: TestDaemon): Promise<ListedRun[]> {
  const { runs } = (await (await daemon.fetch("/v1/runs")).json()) as { runs: ListedRun[] };
  return runs.filter(({ tag }) => tag === "start-cmd");
}

const ready = async (daemon: TestDaemon): Promise<number> => (await daemon.fetch("/health?ready=1")).status;
const start = (env: Record<string, string>): Promise<TestDaemon> => startTestDaemon({ env });

describe("the start command", () => {
  test("is a run like any other, in a login shell, and the sandbox is ready when it runs", async () => {
    await using daemon = await start({
      GUESTD_START_CMD: 'shopt -q login_shell && echo "login $((6 * 7))"; exec sleep 600',
    });
    await until(async () => (await ready(daemon)) === 204);
    const { state, run, restarts } = await template(daemon);
    expect({ state, restarts }).toEqual({ state: "ready", restarts: 0 });
    await until(async () => (await (await daemon.fetch(`/v1/runs/${run}/log`)).text()) === "login 42\n");
    expect((await startRuns(daemon)).map(({ id }) => id)).toEqual([run]);
  });

  test("that fails is told, and health itself stays good", async () => {
    await using daemon = await start({ GUESTD_START_CMD: "exit 3" });
    await until(async () => (await template(daemon)).state === "failed");
    const answer = await daemon.fetch("/health?ready=1");
    expect([answer.status, await answer.text()]).toEqual([503, "the start command has failed\n"]);
    expect((await daemon.fetch("/health")).status).toBe(204);
    expect(await template(daemon)).toMatchObject({ why: "the start command has ended: exit status 3" });
    const [run] = await startRuns(daemon);
    const view: unknown = await (await daemon.fetch(`/v1/runs/${run?.id}`)).json();
    expect(view).toMatchObject({ ending: "exited", exitCode: 3 });
  });

  test("that does its work and ends leaves the sandbox ready", async () => {
    await using daemon = await start({ GUESTD_START_CMD: "true" });
    await until(async () => (await daemon.fetch(`/v1/runs/${(await template(daemon)).run}/wait`)).status !== 404);
    await until(async () => daemon.log.some(({ event }) => event === "start_command.ended"));
    expect(await ready(daemon)).toBe(204);
  });

  test.each([
    ["on-failure", "exit 1", true],
    ["on-failure", "exit 0", false],
    ["always", "exit 0", true],
    ["never", "exit 1", false],
  ])("with restarts %s after %s: run again is %s", async (policy, command, isRestarted) => {
    await using daemon = await start({ GUESTD_START_CMD: command, GUESTD_START_RESTART: policy });
    const ended = (): number => daemon.log.filter(({ event }) => event === "start_command.ended").length;
    await until(() => ended() >= (isRestarted ? 2 : 1));
    if (isRestarted) expect((await template(daemon)).restarts).toBeGreaterThan(0);
    else expect((await template(daemon)).restarts).toBe(0);
  });

  test("is not run again when it was cancelled", async () => {
    await using daemon = await start({ GUESTD_START_CMD: "exec sleep 600", GUESTD_START_RESTART: "always" });
    await until(async () => (await template(daemon)).run !== undefined);
    const { run } = await template(daemon);
    expect((await daemon.fetch(`/v1/runs/${run}`, { method: "DELETE" })).status).toBeLessThan(300);
    await until(() => daemon.log.some(({ event }) => event === "start_command.ended"));
    expect(await template(daemon)).toMatchObject({ run, restarts: 0, state: "stopped" });
    expect(await ready(daemon)).toBe(204);
  });

  test("can be stopped while it waits to be run again", async () => {
    await using daemon = await start({ GUESTD_START_CMD: "exit 1", GUESTD_START_RESTART: "always" });
    await until(async () => {
      const { state, run, restarts } = await template(daemon);
      // By then the pause is long enough to come in between; on a busy machine the next run may come first all the same.
      if (state === "starting" && restarts >= 4) await daemon.fetch(`/v1/runs/${run}`, { method: "DELETE" });
      return state === "stopped";
    });
    expect(await ready(daemon)).toBe(204);
  });
});

describe("the ready command", () => {
  test("is tried until it succeeds, and its tries are not kept", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-template-"));
    // The command runs as the default user.
    chmodSync(folder.path, 0o777);
    const [tries, flag] = [join(folder.path, "tries"), join(folder.path, "flag")];
    await using daemon = await start({
      GUESTD_START_CMD: "exec sleep 600",
      GUESTD_READY_CMD: `echo x >>${tries}; test -e ${flag}`,
    });
    const count = (): number => (existsSync(tries) ? readFileSync(tries, "utf8").split("x").length - 1 : 0);
    await until(() => count() >= 2);
    expect(await ready(daemon)).toBe(503);
    expect((await template(daemon)).state).toBe("starting");
    writeFileSync(flag, "");
    await until(async () => (await ready(daemon)) === 204);
    const { runs } = (await (await daemon.fetch("/v1/runs")).json()) as { runs: ListedRun[] };
    expect(runs).toHaveLength(1);
  });
});

describe("the image's file", () => {
  test("holds settings, which the environment overrides", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-template-"));
    const file = join(folder.path, "guestd.json");
    writeFileSync(file, JSON.stringify({ "start-cmd": "echo from the file", "kept-runs": 7 }));
    await using daemon = await start({ GUESTD_CONFIG: file, GUESTD_KEPT_RUNS: "9" });
    await until(() => daemon.log.some(({ event }) => event === "start_command.ended"));
    const info = (await (await daemon.fetch("/v1/info")).json()) as { template: Template; limits: object };
    expect(info.limits).toMatchObject({ keptRuns: 9 });
    expect(await (await daemon.fetch(`/v1/runs/${info.template.run}/log`)).text()).toBe("from the file\n");
  });

  test("says what every program gets, and where the start command runs", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-template-"));
    chmodSync(folder.path, 0o755);
    const file = join(folder.path, "guestd.json");
    const startWorkdir = join(folder.path, "app");
    mkdirSync(startWorkdir);
    const settings = { env: { NODE_ENV: "production", PORT: 3000 }, "pass-env": ["DATABASE_URL"] };
    const commands = {
      "start-workdir": startWorkdir,
      "start-cmd": "pwd; env",
      "ready-cmd": `test $PWD = ${startWorkdir}`,
    };
    writeFileSync(file, JSON.stringify({ ...settings, ...commands }));
    const token = "template-token-0123456789";
    await using daemon = await start({ GUESTD_CONFIG: file, DATABASE_URL: "db", OTHER: "x", GUESTD_TOKEN: token });
    const headers = { "X-Access-Token": token };
    const get = async (path: string, init: RequestInit = {}): Promise<string> =>
      (await daemon.fetch(path, { ...init, headers })).text();
    await until(async () => (await ready(daemon)) === 204);
    const { template: told } = JSON.parse(await get("/v1/info")) as { template: Template };
    const [first, ...variables] = (await get(`/v1/runs/${told.run}/log?follow=1`)).trim().split("\n");
    expect(first).toBe(startWorkdir);
    expect(variables).toEqual(expect.arrayContaining(["NODE_ENV=production", "PORT=3000", "DATABASE_URL=db"]));
    expect(variables.join()).not.toMatch(/OTHER|GUESTD|template-token/);
    const echo = "echo $NODE_ENV $PORT $DATABASE_URL";
    expect(await get("/v1/run", { method: "POST", body: echo })).toBe("production 3000 db\n");
    const init = JSON.stringify({ accessToken: token, envVars: { PORT: "4000" } });
    expect((await daemon.fetch("/init", { method: "POST", headers, body: init })).status).toBe(204);
    expect(await get("/v1/run", { method: "POST", body: echo })).toBe("production 4000 db\n");
    const body = JSON.stringify({ cmd: "sh", args: ["-c", echo], envs: { PORT: "5000" } });
    const answer = await daemon.fetch("/v1/run", {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body,
    });
    expect(await answer.text()).toBe("production 5000 db\n");
    expect(JSON.parse(await get("/envs"))).toMatchObject({ NODE_ENV: "production", PORT: "4000" });
  });

  test.each([
    ["{", /is not JSON/],
    ['{"env": ["A=1"]}', /"env" must be an object/],
    ['{"env": {"A=B": "1"}}', /"env" must be an object/],
    ['{"env": {"A": {}}}', /"env" must be an object/],
    ['{"env": {"A": "hidden\\u0000"}}', /^(?!.*hidden).*"A" contains a NUL/],
    ["[]", /must hold an object/],
    ['{"start-comand": "x"}', /no setting "start-comand"/],
    ['{"token": "hidden"}', /^(?!.*hidden).*GUESTD_TOKEN or GUESTD_TOKEN_FILE$/],
    ['{"start-cmd": {}}', /"start-cmd" must be a text/],
    ['{"start-cmd": ["npm", "run", "dev"]}', /start-cmd in .*must be one value, not a list/],
    ['{"kept-runs": -1}', /kept-runs in .*must be a number/],
  ])("with %s in it is refused", async (text, why) => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-template-"));
    const file = join(folder.path, "guestd.json");
    writeFileSync(file, text);
    await expect(start({ GUESTD_CONFIG: file })).rejects.toThrow(why);
  });

  test("need not be there, unless it was named", async () => {
    await using daemon = await start({});
    expect(await ready(daemon)).toBe(204);
    await expect(start({ GUESTD_CONFIG: "/nowhere/guestd.json" })).rejects.toThrow(
      /guestd\.json cannot be read: no such/,
    );
  });

  test("is taken back by an empty variable: an image's start command can be left out", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-template-"));
    const file = join(folder.path, "guestd.json");
    writeFileSync(file, JSON.stringify({ "start-cmd": "sleep 600", "kept-runs": 7 }));
    await using daemon = await start({ GUESTD_CONFIG: file, GUESTD_START_CMD: "" });
    expect(await template(daemon)).toEqual({ state: "ready", restarts: 0 });
    const { limits } = (await (await daemon.fetch("/v1/info")).json()) as { limits: object };
    expect(limits).toMatchObject({ keptRuns: 7 });
  });
});

test("without anything to start the sandbox is ready at once, and a daemon that ends waits for no command", async () => {
  await using plain = await start({});
  expect(await template(plain)).toEqual({ state: "ready", restarts: 0 });
  const daemon = await start({ GUESTD_START_CMD: "trap '' TERM; sleep 600", GUESTD_READY_CMD: "sleep 600" });
  await until(async () => (await template(daemon)).run !== undefined);
  await daemon[Symbol.asyncDispose]();
});
