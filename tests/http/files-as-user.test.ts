import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";

const isRoot = process.geteuid?.() === 0;
const BASIC = `Basic ${Buffer.from("nobody:").toString("base64")}`;

describe.runIf(isRoot)("a daemon with --files-as-user", () => {
  let daemon: TestDaemon;
  let folder: string;

  beforeAll(async () => {
    daemon = await startTestDaemon({ argv: ["--files-as-user"] });
    folder = await mkdtemp(join(tmpdir(), "guestd-as-user-"));
    await chmod(folder, 0o777);
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const files = (path: string, init?: RequestInit): Promise<Response> =>
    daemon.fetch(`/files?${new URLSearchParams({ path, username: "nobody" }).toString()}`, init);

  const upload = (path: string, body: string): Promise<Response> =>
    files(path, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" } });

  const call = async (method: string, body: object): Promise<[number, Record<string, unknown>]> => {
    const response = await daemon.fetch(`/filesystem.Filesystem/${method}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", Authorization: BASIC },
    });
    return [response.status, (await response.json()) as Record<string, unknown>];
  };

  test("answers 403 to what the user may not do", async () => {
    const reading = await files("/etc/shadow");
    expect([reading.status, await reading.json()]).toMatchObject([403, { code: 403 }]);
    expect((await upload("/etc/guestd-test", "x")).status).toBe(403);
    const denied = [403, { code: "permission_denied" }];
    expect(await call("ListDir", { path: "/root" })).toMatchObject(denied);
    expect(await call("MakeDir", { path: "/etc/guestd-test" })).toMatchObject(denied);
    expect(await call("Remove", { path: "/etc/passwd" })).toMatchObject(denied);
    expect(await call("Move", { source: "/etc/passwd", destination: join(folder, "x") })).toMatchObject(denied);
    expect((await daemon.fetch("/v1/files/etc/shadow?user=nobody")).status).toBe(403);
  });

  test("does what the user may do, as that user", async () => {
    const path = join(folder, "dir/file");
    expect((await upload(path, "content")).status).toBe(200);
    expect(await (await files(path)).text()).toBe("content");
    expect(await readFile(path, "utf8")).toBe("content");
    const { uid, gid } = await stat(path);
    expect([uid, gid]).toEqual([65_534, 65_534]);
    const entry = { name: "file", owner: "nobody", group: "nogroup", permissions: "-rw-r--r--" };
    expect(await call("ListDir", { path: join(folder, "dir") })).toMatchObject([200, { entries: [entry] }]);
    expect(await call("Remove", { path: join(folder, "dir") })).toMatchObject([200, {}]);
  });

  test("lists thousands of entries as that user", async () => {
    const many = join(folder, "many");
    await call("MakeDir", { path: many });
    const names = Array.from({ length: 3000 }, (_, index) => `f${index}`);
    const form = new FormData();
    for (const name of names) form.append("file", new Blob([""]), join(many, name));
    expect((await daemon.fetch("/files?username=nobody", { method: "POST", body: form })).status).toBe(200);
    const [status, reply] = await call("ListDir", { path: many });
    expect([status, (reply["entries"] as { name: string }[]).map(({ name }) => name)]).toEqual([200, names.toSorted()]);
  });
});
