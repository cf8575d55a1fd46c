import {
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writableCgroup } from "../../src/host/cgroup.ts";
import { processState } from "../../src/host/process-tree.ts";
import { until } from "../helpers/daemon.ts";
import { ProcessMark } from "../helpers/marked-processes.ts";
import { startRun } from "../helpers/native-runs.ts";
import { otherCgroup } from "../helpers/other-cgroup.ts";
import { skipTest } from "../helpers/skip.ts";
import { endServed, type Served, serve } from "../unit/config/daemon-process.ts";
import { send } from "../unit/edge/connect/wire-client.ts";

afterEach(endServed);

/** Uses what keeps something in the daemon's directory. */
async function use({ url, pid }: Served, folder: string): Promise<void> {
  const body = "x".repeat(100_000);
  expect((await send(url, { method: "PUT", path: `/v1/files${folder}/file-${pid}`, body })).status).toBe(201);
  expect((await send(url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
  const git = { "Content-Type": "application/json" };
  await send(url, { path: "/v1/git/init", headers: git, body: JSON.stringify({ path: join(folder, "repository") }) });
}

test("what a killed daemon has left in its named directory goes with the next start, and nothing else", async () => {
  using place = mkdtempDisposableSync(join(tmpdir(), "guestd-killed-"));
  const state = join(place.path, "state");
  const living = await serve(["--state-dir", state]);
  const [held = ""] = readdirSync(state);
  const killed = await serve(["--state-dir", state]);
  await use(killed, place.path);
  killed.child.kill("SIGKILL");
  expect(await killed.exited).toEqual([null, "SIGKILL"]);
  const [left = ""] = readdirSync(state).filter((name) => name !== held);
  expect(readdirSync(join(state, left)).toSorted()).toEqual(["git", "guestd.lock", "logs", "pipes", "uploads"]);
  mkdirSync(join(state, "guestd-mine00"));
  writeFileSync(join(state, "notes"), "");

  const next = await serve(["--state-dir", state]);
  await until(() => next.lines.some((line) => line.includes("state_dir.leftovers_removed")));
  expect(next.lines.filter((line) => /state_dir.*removed/.test(line))).toEqual([expect.stringContaining('"count":1')]);
  expect(existsSync(join(state, left))).toBe(false);
  for (const daemon of [living, next]) await use(daemon, place.path);
  for (const { child } of [next, living]) child.kill("SIGTERM");
  expect(await Promise.all([next.exited, living.exited])).toEqual([
    [0, null],
    [0, null],
  ]);
  await until(() => readdirSync(state).length === 2);
  expect(readdirSync(state).toSorted()).toEqual(["guestd-mine00", "notes"]);
});

async function freezeAndKill({ url, child, exited }: Served): Promise<void> {
  expect((await send(url, { path: "/freeze?maxWaitMs=5000" })).status).toBe(200);
  child.kill("SIGKILL");
  await exited;
}

const sizeOf = (file: string): number => statSync(file).size;

describe("what is frozen when a daemon is killed", () => {
  let mark = new ProcessMark();
  beforeEach(() => void (mark = new ProcessMark()));

  /** A directory that is removed when nobody counts in it any more. */
  function countingPlace(): Disposable & { path: string } {
    const place = mkdtempDisposableSync(join(tmpdir(), "guestd-killed-"));
    return {
      path: place.path,
      [Symbol.dispose]() {
        mark.killHolders();
        place[Symbol.dispose]();
      },
    };
  }

  /** A program that goes on without its daemon, and counts in a file; its process. */
  async function startCounting({ url }: Served, file: string): Promise<number> {
    const [variable = []] = Object.entries(mark.envs);
    const shell = `export ${variable.join("=")}; exec sh -c 'while :; do echo >> ${file}; sleep 0.01; done'`;
    const { pid } = await startRun(url, { shell, cwd: "/", user: userInfo().username });
    await until(() => existsSync(file));
    return pid;
  }

  test("in a cgroup goes on with the next start", async (context) => {
    if (writableCgroup() === undefined) skipTest(context, "no cgroup (v2) that may be written to");
    using place = countingPlace();
    const file = join(place.path, "count");
    const killed = await serve();
    const pid = await startCounting(killed, file);
    await freezeAndKill(killed);
    const path = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    expect(path).toContain("guestd-freeze-");
    const size = sizeOf(file);
    const living = await serve();
    await until(() => sizeOf(file) > size);
    await until(() => living.lines.some((line) => line.includes("a daemon that was killed had frozen them")));
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).not.toContain("guestd-freeze-");
  });

  test("and a daemon that lives has frozen too stays frozen", async (context) => {
    if (writableCgroup() === undefined) skipTest(context, "no cgroup (v2) that may be written to");
    using place = countingPlace();
    const living = await serve();
    const pid = await startCounting(living, join(place.path, "count"));
    expect((await send(living.url, { path: "/freeze?maxWaitMs=5000" })).status).toBe(200);
    const { url } = await serve();
    expect((await send(url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain("guestd-freeze-");
    expect((await send(living.url, { path: "/unfreeze" })).status).toBe(204);
  });

  test("by signals goes on with the next start in the same directory, and whoever was stopped before does not", async () => {
    using place = countingPlace();
    const [file, state] = [join(place.path, "count"), join(place.path, "state")];
    const killed = await serve(["--state-dir", state]);
    const pids = [await startCounting(killed, file), await startCounting(killed, join(place.path, "stopped"))];
    const [counting = 0, stopped = 0] = pids;
    process.kill(stopped, "SIGSTOP");
    await until(() => processState(stopped) === "T");
    await using _group = otherCgroup(pids);
    await freezeAndKill(killed);
    expect(pids.map(processState)).toEqual(["T", "T"]);
    const size = sizeOf(file);
    await serve(["--state-dir", state]);
    await until(() => sizeOf(file) > size);
    expect([processState(counting) === "T", processState(stopped)]).toEqual([false, "T"]);
  });
});
