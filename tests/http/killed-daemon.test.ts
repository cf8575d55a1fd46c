import { existsSync, mkdirSync, mkdtempDisposableSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
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
  expect(next.lines.filter((line) => line.includes("state_dir.leftovers_removed"))).toEqual([
    expect.stringContaining('"count":1'),
  ]);
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
