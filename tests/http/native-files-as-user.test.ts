import { lstatSync, statSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { expectProblem, NativeFiles } from "../helpers/native-files.ts";
import { isRoot } from "../unit/filesystem/server.ts";

const NOBODY = 65_534;
const AS_NOBODY = "?user=nobody";
const OCTETS = { "Content-Type": "application/octet-stream" };
const DENIED = { code: "permission_denied" };

describe.runIf(isRoot)("/v1/files with --files-as-user", () => {
  let daemon: TestDaemon;
  let folder: string;
  let root: string;
  let count = 0;
  const client = new NativeFiles(() => daemon.url);
  const put = (path: string, body: string, query = ""): Promise<Response> => client.put(path, body, AS_NOBODY + query);
  const change = (path: string, body: object): Promise<Response> => client.change(path, body, AS_NOBODY);
  const request = (method: string, path: string, query = ""): Promise<Response> =>
    client.request(method, path, {}, AS_NOBODY + query);

  beforeAll(async () => {
    daemon = await startTestDaemon({ argv: ["--files-as-user"] });
    folder = await mkdtemp(join(tmpdir(), "guestd-native-as-user-"));
    await chmod(folder, 0o755);
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  /** A directory of the user's, and beside it what is root's. */
  beforeEach(async () => {
    count += 1;
    root = join(folder, String(count));
    await mkdir(join(root, "mine"), { recursive: true });
    await chown(join(root, "mine"), NOBODY, NOBODY);
    await writeFile(join(root, "secret"), "secret", { mode: 0o600 });
  });

  const compose = async (sources: string[], destination: string): Promise<number> => {
    const body = JSON.stringify({ source_paths: sources, destination, username: "nobody" });
    return (await daemon.fetch("/files/compose", { method: "POST", body })).status;
  };
  const mine = (name: string): string => join(root, "mine", name);

  test("does what the user may do, as that user", async () => {
    const path = mine("deep/er/a");
    expect((await put(path, "one", "&durable=1")).status).toBe(201);
    expect((await put(path, "two")).status).toBe(200);
    expect((await put(path, "+", "&append=1")).status).toBe(200);
    expect((await put(path, "x".repeat(400_000), "&append=1")).status).toBe(200);
    const part = { headers: { "Content-Range": "bytes 0-2/*" }, body: "TWO" };
    expect((await client.request("PATCH", path, part, AS_NOBODY)).status).toBe(200);
    expect(await (await request("GET", path)).text()).toBe(`TWO+${"x".repeat(400_000)}`);
    expect(await (await request("GET", mine(""), "&depth=3")).json()).toMatchObject({
      entries: [{ owner: "nobody" }, { owner: "nobody" }, { path, owner: "nobody" }],
    });
    expect((await change(mine("dir"), { op: "mkdir", mode: "0700" })).status).toBe(201);
    expect((await change(path, { op: "copy", to: mine("dir/copy") })).status).toBe(201);
    expect((await change(mine("dir/copy"), { op: "move", to: mine("moved") })).status).toBe(200);
    expect((await change(mine("moved"), { op: "chmod", mode: "0640" })).status).toBe(200);
    expect((await change(mine("link"), { op: "symlink", target: "moved" })).status).toBe(201);
    for (const name of ["dir", "moved", "link"]) expect(lstatSync(mine(name)).uid).toBe(NOBODY);
    expect((await request("DELETE", mine("deep"), "&recursive=1")).status).toBe(204);
    expect((await readdir(join(root, "mine"))).toSorted()).toEqual(["dir", "link", "moved"]);
  });

  test("refuses what the user may not do, and leaves it", async () => {
    const secret = join(root, "secret");
    await put(mine("a"), "mine");
    await symlink(secret, mine("link"));
    for (const path of [secret, mine("link")]) {
      await expectProblem(await request("GET", path), 403, DENIED);
      await expectProblem(await put(path, "x"), 403, DENIED);
      await expectProblem(await put(path, "x", "&append=1"), 403, DENIED);
      await expectProblem(await change(path, { op: "chmod", mode: "0666" }), 403, DENIED);
    }
    await expectProblem(await put(join(root, "new"), "x"), 403, DENIED);
    await expectProblem(await put(join(root, "new/dir/a"), "x"), 403, DENIED);
    await expectProblem(await request("DELETE", secret), 403, DENIED);
    await expectProblem(await change(join(root, "dir"), { op: "mkdir" }), 403, DENIED);
    await expectProblem(await change(secret, { op: "copy", to: mine("copy") }), 403, DENIED);
    await expectProblem(await change(secret, { op: "move", to: mine("moved") }), 403, DENIED);
    await expectProblem(await change(mine("a"), { op: "move", to: join(root, "moved") }), 403, DENIED);
    await expectProblem(await change(mine("a"), { op: "chown", owner: "root" }), 403, DENIED);
    await expectProblem(await change(join(root, "l"), { op: "symlink", target: "secret" }), 403, DENIED);
    const part = { headers: { "Content-Range": "bytes 0-0/*" }, body: "x" };
    await expectProblem(await client.request("PATCH", secret, part, AS_NOBODY), 403, DENIED);
    expect([await readFile(secret, "utf8"), statSync(secret).mode & 0o777]).toEqual(["secret", 0o600]);
    expect((await readdir(root)).toSorted()).toEqual(["mine", "secret"]);
    expect((await readdir(join(root, "mine"))).toSorted()).toEqual(["a", "link"]);
  });

  test("never makes another's set-user-id program of the user's bytes", async () => {
    const path = mine("program");
    await writeFile(path, "root's");
    await chmod(path, 0o4755);
    await expectProblem(await put(path, "evil"), 403, DENIED);
    expect([await readFile(path, "utf8"), statSync(path).mode]).toEqual(["root's", 0o104755]);
    // One that the user may write to loses the bit, as it does when any program writes to it.
    await chmod(path, 0o4777);
    expect(await (await put(path, "written")).json()).toMatchObject({ atomic: false, owner: "root", mode: "0777" });
    const part = { headers: { "Content-Range": "bytes 0-0/*" }, body: "W" };
    const post = { method: "POST", headers: OCTETS, body: "posted" };
    const writes = [
      () => put(path, "+", "&append=1"),
      () => client.request("PATCH", path, part, AS_NOBODY),
      () => daemon.fetch(`/files?path=${path}&username=nobody`, post),
    ];
    for (const write of writes) {
      await chmod(path, 0o6777);
      expect((await write()).status).toBe(200);
      expect(statSync(path).mode & 0o7777).toBe(0o777);
    }
    expect(await readdir(join(root, "mine"))).toEqual(["program"]);
  });

  test("replaces what the user may, and writes the rest in place", async () => {
    const shared = join(root, "shared");
    await mkdir(shared);
    await chmod(shared, 0o1777);
    await writeFile(join(shared, "open"), "root's");
    await chmod(join(shared, "open"), 0o666);
    expect(await (await put(join(shared, "open"), "ours")).json()).toMatchObject({ atomic: false, owner: "root" });
    expect(await readFile(join(shared, "open"), "utf8")).toBe("ours");
    await put(mine("read-only"), "old", "&mode=0444");
    expect(await (await put(mine("read-only"), "new")).json()).toMatchObject({ atomic: true, mode: "0444" });
  });

  test("syncs what the user may write but not read", async () => {
    const drop = join(root, "drop");
    await mkdir(drop);
    await chmod(drop, 0o733);
    expect((await put(join(drop, "new/a"), "x", "&durable=1&mode=0200")).status).toBe(201);
    expect(await readFile(join(drop, "new/a"), "utf8")).toBe("x");
    expect((await request("GET", drop)).status).toBe(403);
  });

  test("composes with the user's rights", async () => {
    await put(mine("a"), "a");
    expect(await compose([mine("a"), join(root, "secret")], mine("whole"))).toBe(403);
    expect(await compose([mine("a")], join(root, "whole"))).toBe(403);
    expect(await readdir(join(root, "mine"))).toEqual(["a"]);
    expect(await compose([mine("a")], mine("whole"))).toBe(200);
    expect(statSync(mine("whole")).uid).toBe(NOBODY);
  });
});
