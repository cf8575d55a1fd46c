import { fromBinary } from "@bufbuild/protobuf";
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GetWatcherEventsResponseSchema } from "../../src/contracts/gen/filesystem_pb.js";
import { keepProcessorsBusy } from "../helpers/busy.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { isRoot } from "../unit/filesystem/server.ts";
import { inotifyInstances } from "../unit/watch/watching.ts";
import { callRpc, pollEvents, watchDir } from "./watch-client.ts";

let daemon: TestDaemon;
let url = "";
let root = "";
beforeAll(async () => {
  daemon = await startTestDaemon({ argv: ["--kept-watch-events", "1000"] });
  ({ url } = daemon);
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "guestd-watch-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function createWatcher(message: object = {}): Promise<string> {
  const { body } = await callRpc(url, "CreateWatcher", { path: root, ...message });
  return String(body["watcherId"]);
}

async function upload(path: string, content: string): Promise<void> {
  const form = new FormData();
  form.append("file", new Blob([content]), "name");
  const response = await daemon.fetch(`/files?path=${encodeURIComponent(path)}`, { method: "POST", body: form });
  expect(response.status).toBe(200);
}

describe("a polled watcher", () => {
  test("has an id of the contract's form, and tells how it watches", async () => {
    const { body, headers } = await callRpc(url, "CreateWatcher", { path: root });
    expect(body["watcherId"]).toMatch(/^w[a-z0-9]{20}$/);
    expect(headers.get("guestd-watch-mode")).toBe("inotify");
    expect((await callRpc(url, "GetWatcherEvents", body)).body).toEqual({});
    expect(await callRpc(url, "RemoveWatcher", body)).toMatchObject({ status: 200, body: {} });
    for (const method of ["GetWatcherEvents", "RemoveWatcher"]) {
      expect(await callRpc(url, method, body)).toMatchObject({
        status: 404,
        body: { code: "not_found", message: `watcher with id ${String(body["watcherId"])} not found` },
      });
    }
    expect(await inotifyInstances()).toEqual([0]);
  });

  test("sees an upload of a new small file as CREATE, CHMOD, WRITE, and of an old one as CHMOD, WRITE, right after it", async () => {
    const id = await createWatcher();
    await upload(join(root, "new"), "hello");
    expect(await pollEvents(url, id)).toEqual(["CREATE new", "CHMOD new", "WRITE new"]);
    await upload(join(root, "new"), "other");
    expect(await pollEvents(url, id)).toEqual(["CHMOD new", "WRITE new"]);
  });

  test("sees every one of 150 changes made before a poll in that poll, however busy the machine", async () => {
    using _busy = keepProcessorsBusy();
    const id = await createWatcher();
    for (let index = 0; index < 150; index += 1) {
      writeFileSync(join(root, `f${index}`), "");
      expect(await pollEvents(url, id)).toEqual([`CREATE f${index}`]);
    }
  });

  test("tells entries where they are asked for, and where there still are any", async () => {
    const id = await createWatcher({ recursive: true, includeEntry: true });
    mkdirSync(join(root, "sub"));
    writeFileSync(join(root, "sub/file"), "12345");
    renameSync(join(root, "sub/file"), join(root, "sub/moved"));
    const { body } = await callRpc(url, "GetWatcherEvents", { watcherId: id });
    expect(body["events"]).toMatchObject([
      {
        name: "sub",
        type: "EVENT_TYPE_CREATE",
        entry: { name: "sub", type: "FILE_TYPE_DIRECTORY", path: join(root, "sub") },
      },
      { name: "sub/moved", type: "EVENT_TYPE_CREATE", entry: { size: "5", path: join(root, "sub/moved") } },
    ]);
    renameSync(join(root, "sub/moved"), join(root, "sub/again"));
    const { body: more } = await callRpc(url, "GetWatcherEvents", { watcherId: id });
    expect(more["events"]).toMatchObject([
      { name: "sub/moved", type: "EVENT_TYPE_RENAME" },
      { name: "sub/again", type: "EVENT_TYPE_CREATE", entry: { name: "again" } },
    ]);
    expect((more["events"] as object[])[0]).not.toHaveProperty("entry");
  });

  test("that fell behind says so, and tells everything that is there", async () => {
    const id = await createWatcher({ recursive: true });
    mkdirSync(join(root, "d"));
    for (let index = 0; index < 2500; index += 1) writeFileSync(join(root, `d/f${index}`), "x");
    await rm(join(root, "d/f0"));
    const { body } = await callRpc(url, "GetWatcherEvents", { watcherId: id });
    expect(body["rescan"]).toBe(true);
    const names = new Set((body["events"] as { name: string }[]).map(({ name }) => name));
    for (let index = 1; index < 2500; index += 1) expect(names.has(`d/f${index}`)).toBe(true);
    expect((await callRpc(url, "GetWatcherEvents", { watcherId: id })).body).toEqual({});
  });

  test("answers in protobuf too", async () => {
    const id = await createWatcher();
    await writeFile(join(root, "x"), "");
    const request = Buffer.concat([Buffer.of(0x0a, id.length), Buffer.from(id)]);
    const response = await daemon.fetch("/filesystem.Filesystem/GetWatcherEvents", {
      method: "POST",
      headers: { "Content-Type": "application/proto" },
      body: new Uint8Array(request),
    });
    const { events, rescan } = fromBinary(GetWatcherEventsResponseSchema, Buffer.from(await response.arrayBuffer()));
    expect([events.map(({ name, type }) => [name, type]), rescan]).toEqual([[["x", 1]], false]);
  });

  test("is dropped when nobody has polled it for long", async () => {
    await using impatient = await startTestDaemon({ argv: ["--watcher-idle-seconds", "1"] });
    const { body } = await callRpc(impatient.url, "CreateWatcher", { path: root });
    await until(async () => (await inotifyInstances()).every((watches) => watches === 0), 20_000);
    expect((await callRpc(impatient.url, "GetWatcherEvents", body)).status).toBe(404);
  });

  test("of two polls at once each change is in one", async () => {
    const id = await createWatcher();
    for (let index = 0; index < 50; index += 1) appendFileSync(join(root, `f${index}`), "");
    const [one, two] = await Promise.all([pollEvents(url, id), pollEvents(url, id)]);
    expect([...one, ...two].toSorted()).toEqual(
      Array.from({ length: 50 }, (_, index) => `CREATE f${index}`).toSorted(),
    );
  });
});

test.runIf(isRoot)("with --files-as-user a watcher sees no more than its user may", async () => {
  await using asUser = await startTestDaemon({ argv: ["--files-as-user"] });
  const headers = { Authorization: `Basic ${btoa("nobody:")}` };
  await chmod(root, 0o755);
  await mkdir(join(root, "open"));
  await mkdir(join(root, "closed"), { mode: 0o700 });
  const refused = await callRpc(asUser.url, "CreateWatcher", { path: join(root, "closed") }, headers);
  expect([refused.status, refused.body["code"]]).toEqual([403, "permission_denied"]);
  const { body } = await callRpc(asUser.url, "CreateWatcher", { path: root, recursive: true }, headers);
  writeFileSync(join(root, "closed/secret"), "");
  writeFileSync(join(root, "open/seen"), "");
  expect(await pollEvents(asUser.url, body["watcherId"])).toEqual(["CREATE open/seen"]);
});

describe("a WatchDir stream", () => {
  test("begins with start, tells how it watches, and follows changes until the client leaves", async () => {
    const before = (await inotifyInstances()).reduce((sum, count) => sum + count, 0);
    {
      using stream = await watchDir(url, { path: root, recursive: true, includeEntry: true });
      expect(stream.headers.get("guestd-watch-mode")).toBe("inotify");
      expect(await stream.next()).toEqual({ start: {} });
      mkdirSync(join(root, "sub"));
      expect(await stream.next()).toMatchObject({
        filesystem: { name: "sub", type: "EVENT_TYPE_CREATE", entry: { path: join(root, "sub") } },
      });
      await upload(join(root, "sub/file"), "hello");
      const seen = await stream.until((text) => text === "WRITE sub/file");
      expect(seen).toEqual(["CREATE sub/file", "CHMOD sub/file", "WRITE sub/file"]);
    }
    await until(async () => (await inotifyInstances()).reduce((sum, count) => sum + count, 0) === before, 20_000);
  });

  test("is kept alive while nothing happens", async () => {
    using stream = await watchDir(url, { path: root }, { "Keepalive-Ping-Interval": "1" });
    expect(await stream.next()).toEqual({ start: {} });
    expect(await stream.next()).toEqual({ keepalive: {} });
  });

  test("ends at the client's deadline with the reason", async () => {
    using stream = await watchDir(url, { path: root }, { "Connect-Timeout-Ms": "4000" });
    expect(await stream.next()).toEqual({ start: {} });
    expect(await stream.next()).toMatchObject({ error: { code: "deadline_exceeded" } });
    expect(await stream.next()).toBeUndefined();
  });

  test("is refused with the error in its only frame", async () => {
    using missing = await watchDir(url, { path: "/no/such" });
    expect(await missing.next()).toEqual({
      error: { code: "not_found", message: "path /no/such not found: stat /no/such: no such file or directory" },
    });
    using home = await watchDir(url, { path: "~somebody" });
    expect(await home.next()).toMatchObject({ error: { code: "invalid_argument" } });
  });

  test("tells a reader that was too slow to look at everything again", async () => {
    using stream = await watchDir(url, { path: root });
    expect(await stream.next()).toEqual({ start: {} });
    // In one turn of the event loop: nobody can read in between, and more than is kept.
    for (let index = 0; index < 3000; index += 1) writeFileSync(join(root, `f${index}`), "");
    const seen = await stream.until((text) => text === "CREATE f2999");
    expect(seen).toContain("rescan");
  });

  test("outlives its root", async () => {
    await mkdir(join(root, "gone"));
    using stream = await watchDir(url, { path: join(root, "gone") }, { "Keepalive-Ping-Interval": "1" });
    expect(await stream.next()).toEqual({ start: {} });
    await chmod(join(root, "gone"), 0o700);
    await rm(join(root, "gone"), { recursive: true });
    expect(await stream.until((text) => text === "REMOVE .")).toEqual(["CHMOD .", "REMOVE ."]);
    expect(await stream.next()).toEqual({ keepalive: {} });
  });
});
