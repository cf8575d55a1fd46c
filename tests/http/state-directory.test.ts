import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
import { isRoot } from "../unit/filesystem/server.ts";
import { endServed, serve } from "../unit/config/daemon-process.ts";
import { send } from "../unit/edge/connect/wire-client.ts";

afterEach(endServed);

const place = (): Disposable & { path: string } => mkdtempDisposableSync(join(tmpdir(), "guestd-state-"));

test("a link that somebody puts in the place of the daemon's directory is followed neither while it runs nor at its end, which is a warning and no failure", async () => {
  using parent = place();
  const [state, away] = [join(parent.path, "state"), join(parent.path, "away")];
  const outside = join(parent.path, "outside");
  const { child, url, lines, exited } = await serve(["--state-dir", state]);
  const [name = ""] = readdirSync(state);
  mkdirSync(outside);
  writeFileSync(join(outside, "file"), "");
  renameSync(join(state, name), away);
  symlinkSync(outside, join(state, name));
  const body = "x".repeat(100_000);
  expect((await send(url, { method: "PUT", path: `/v1/files${parent.path}/upload`, body })).status).toBe(201);
  expect(readdirSync(away)).toContain("uploads");
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  expect(readdirSync(outside)).toEqual(["file"]);
  expect(readdirSync(away)).toEqual([]);
  expect(lines.filter((line) => line.includes("state_dir.not_removed"))).toEqual([expect.stringContaining("ENOTDIR")]);
});

test.runIf(isRoot)("root is warned of a place in which users can exchange its directory", async () => {
  using parent = place();
  chmodSync(parent.path, 0o755);
  const state = join(parent.path, "state");
  mkdirSync(state);
  const warnings = async (): Promise<string[]> => {
    const { child, lines, exited } = await serve(["--state-dir", state]);
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    return lines.filter((line) => line.includes("state_dir."));
  };
  expect(await warnings()).toEqual([]);
  chmodSync(state, 0o1777);
  expect(await warnings()).toEqual([]);
  chmodSync(state, 0o777);
  expect(await warnings()).toEqual([expect.stringContaining(`can rename what is in ${state},`)]);
  chmodSync(state, 0o755);
  chownSync(parent.path, 61_001, 61_001);
  expect(await warnings()).toEqual([expect.stringContaining(`can rename what is in ${parent.path},`)]);
});

test("what a killed daemon has left goes also with names that are not UTF-8", async () => {
  using parent = place();
  const state = join(parent.path, "state");
  const killed = await serve(["--state-dir", state]);
  killed.child.kill("SIGKILL");
  await killed.exited;
  const [name = ""] = readdirSync(state);
  const odd = Buffer.concat([Buffer.from(join(state, name, "logs/")), Buffer.of(0xff)]);
  writeFileSync(odd, "");
  const next = await serve(["--state-dir", state]);
  await until(() => next.lines.some((line) => line.includes("state_dir.leftovers_removed")));
  expect(readdirSync(state)).not.toContain(name);
});
