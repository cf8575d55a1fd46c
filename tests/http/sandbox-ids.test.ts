import {
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { post, untilPrinted } from "../helpers/native-runs.ts";
import { execute, resultOf } from "../unit/kernels/cell-client.ts";

const IDS = { E2B_SANDBOX_ID: "box-7", E2B_TEMPLATE_ID: "base", E2B_TEAM_ID: "team of 'two'" };
const NAMES = ["E2B_SANDBOX", ...Object.keys(IDS)];
const VALUES = ["true", ...Object.values(IDS)];
/** A shell line that prints the variables. */
const PRINT = NAMES.map((name) => `echo "$${name}"`).join("; ");

const TEXT = { "Content-Type": "application/json", Accept: "text/plain" };

async function init(daemon: TestDaemon, body: object): Promise<void> {
  expect((await post(daemon.url, "/init", body)).status).toBe(204);
}

async function output(daemon: TestDaemon, body: object): Promise<string> {
  return (await fetch(`${daemon.url}/v1/run`, { method: "POST", headers: TEXT, body: JSON.stringify(body) })).text();
}

const linesOf = (text: string): string[] => text.trim().split(/\r?\n/);
const envs = async (daemon: TestDaemon): Promise<unknown> => (await daemon.fetch("/envs")).json();

describe("the variables that say which sandbox this is", () => {
  test("are in runs, terminals, cells and the start command, and in the answer of /envs", async () => {
    await using daemon = await startTestDaemon({ kernels: "toy", env: { ...IDS, GUESTD_START_CMD: PRINT } });
    expect(linesOf(await output(daemon, { shell: PRINT }))).toEqual(VALUES);
    expect(linesOf(await output(daemon, { shell: PRINT, pty: { cols: 200, rows: 24 } }))).toEqual(VALUES);
    for (const [index, name] of NAMES.entries())
      expect(resultOf(await execute(daemon.url, { language: "toy", code: `env ${name}` }))).toBe(VALUES[index]);
    const info = (await (await daemon.fetch("/v1/info")).json()) as { template: { run: string } };
    await untilPrinted(daemon.url, info.template.run, /team of 'two'\n/);
    expect(linesOf(await (await daemon.fetch(`/v1/runs/${info.template.run}/log`)).text())).toEqual(VALUES);
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true", ...IDS });
  });

  test("are neither set, changed nor taken away by /init; one call may have others", async () => {
    await using daemon = await startTestDaemon({ kernels: "toy", argv: ["--sandbox-id=box-7"] });
    await init(daemon, { envVars: { E2B_SANDBOX: "false", E2B_SANDBOX_ID: "forged", OTHER: "1" } });
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true", E2B_SANDBOX_ID: "box-7", OTHER: "1" });
    await init(daemon, { envVars: {} });
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true", E2B_SANDBOX_ID: "box-7" });
    const code = "env E2B_SANDBOX_ID";
    const cell = async (more: object = {}) => resultOf(await execute(daemon.url, { language: "toy", code, ...more }));
    expect(await cell({ env_vars: { E2B_SANDBOX_ID: "of this cell" } })).toBe("of this cell");
    expect(await cell()).toBe("box-7");
    const shell = 'echo "$E2B_SANDBOX_ID"';
    expect(await output(daemon, { shell, envs: { E2B_SANDBOX_ID: "of this run" } })).toBe("of this run\n");
    expect(await output(daemon, { shell })).toBe("box-7\n");
  });

  test("may be called like what every object of JavaScript has", async () => {
    await using daemon = await startTestDaemon({ kernels: "toy" });
    const odd = '{"__proto__":"a","constructor":"b","prototype":"c","toString":"d"}';
    const headers = { "Content-Type": "application/json" };
    const set = (envVars: string): Promise<Response> =>
      daemon.fetch("/init", { method: "POST", headers, body: `{"envVars":${envVars}}` });
    const read = async (name: string) => resultOf(await execute(daemon.url, { language: "toy", code: `env ${name}` }));
    const values = async (): Promise<unknown[]> => [
      await read("__proto__"),
      await read("constructor"),
      await read("toString"),
    ];
    const none = await values();
    expect((await set(odd)).status).toBe(204);
    const all = Object.entries((await envs(daemon)) as object).toSorted(([a], [b]) => (a < b ? -1 : 1));
    expect(all).toEqual([
      ["E2B_SANDBOX", "true"],
      ["__proto__", "a"],
      ["constructor", "b"],
      ["prototype", "c"],
      ["toString", "d"],
    ]);
    expect(await values()).toEqual(["a", "b", "d"]);
    const ofRun = `{"shell":"env | grep -E '^(__proto__|constructor|toString)=' | sort","envs":{"constructor":"run"}}`;
    const run = await daemon.fetch("/v1/run", { method: "POST", headers: TEXT, body: ofRun });
    expect(await run.text()).toBe("__proto__=a\nconstructor=run\ntoString=d\n");
    expect((await set('{"constructor":7}')).status).toBe(400);
    expect((await set("{}")).status).toBe(204);
    expect(await values()).toEqual(none);
  });

  test("are the caller's while nobody has told which sandbox this is", async () => {
    await using daemon = await startTestDaemon();
    await init(daemon, { envVars: { E2B_SANDBOX_ID: "as the caller says" } });
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true", E2B_SANDBOX_ID: "as the caller says" });
  });

  test("are single lines", async () => {
    await expect(startTestDaemon({ argv: ["--sandbox-id=a\nb"] })).rejects.toThrow("--sandbox-id: must be one line");
    await expect(startTestDaemon({ env: { E2B_TEAM_ID: "x".repeat(257) } })).rejects.toThrow("E2B_TEAM_ID");
  });
});

const start = (folder: string, env: Record<string, string> = {}): Promise<TestDaemon> =>
  startTestDaemon({ env: { GUESTD_IDENTITY_DIR: folder, ...env } });
const contentOf = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]));

describe("the files that say which sandbox this is", () => {
  test("are there before the daemon answers, and gone with it", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-ids-"));
    const folder = join(place.path, "run", "e2b");
    {
      await using _daemon = await start(folder, IDS);
      const named = Object.entries(IDS).map(([name, id]) => [`.${name}`, id]);
      expect(contentOf(folder)).toEqual({ ".E2B_SANDBOX": "true", ...Object.fromEntries(named) });
      expect([statSync(folder).mode & 0o777, statSync(join(folder, ".E2B_SANDBOX")).mode & 0o777]).toEqual([
        0o755, 0o444,
      ]);
    }
    expect(existsSync(folder)).toBe(false);
  });

  test("replace those of a daemon that was killed, and leave what others have put there", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-ids-"));
    writeFileSync(join(place.path, ".E2B_SANDBOX"), "of an earlier one", { mode: 0o444 });
    writeFileSync(join(place.path, ".E2B_TEMPLATE_ID"), "of an earlier one");
    writeFileSync(join(place.path, "other"), "kept");
    {
      await using _first = await start(place.path, { E2B_SANDBOX_ID: "first" });
      expect(contentOf(place.path)).toEqual({ ".E2B_SANDBOX": "true", ".E2B_SANDBOX_ID": "first", other: "kept" });
      await using _second = await start(place.path, { E2B_SANDBOX_ID: "second" });
    }
    expect(contentOf(place.path)).toEqual({ other: "kept" });
  });

  test("stay when another daemon has written them since", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-ids-"));
    const first = await start(place.path, { E2B_SANDBOX_ID: "first" });
    await using _second = await start(place.path, { E2B_SANDBOX_ID: "second" });
    await first[Symbol.asyncDispose]();
    expect(contentOf(place.path)).toEqual({ ".E2B_SANDBOX": "true", ".E2B_SANDBOX_ID": "second" });
  });

  test("that cannot be written are told in the log, and all else works", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-ids-"));
    const folder = join(place.path, "file");
    writeFileSync(folder, "in the way");
    await using daemon = await start(folder, IDS);
    expect(daemon.log).toContainEqual(expect.objectContaining({ event: "identity_files.not_written", folder }));
    expect(await envs(daemon)).toMatchObject(IDS);
    expect(readFileSync(folder, "utf8")).toBe("in the way");
  });

  test("are written by nobody who was not told where", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-ids-"));
    mkdirSync(join(place.path, "empty"));
    await using daemon = await startTestDaemon({ env: IDS, argv: ["--state-dir", join(place.path, "state")] });
    await until(async () => (await daemon.fetch("/health")).status === 204);
    expect(readdirSync(place.path, { recursive: true }).filter((name) => String(name).includes("E2B"))).toEqual([]);
  });
});
