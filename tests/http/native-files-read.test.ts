import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../src/host/own-file-access.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";

interface Listed {
  path: string;
  entries: { name: string; path: string; type: string; size: number; mode: string; target?: string }[];
}

let daemon: TestDaemon;
let root: string;
beforeAll(async () => {
  daemon = await startTestDaemon();
  root = await mkdtemp(join(tmpdir(), "guestd-native-"));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

/** Requests `path` of the file system, each name encoded. */
function get(path: string, init?: RequestInit, query = ""): Promise<Response> {
  return daemon.fetch(`/v1/files${path.split("/").map(encodeURIComponent).join("/")}${query}`, init);
}

async function expectProblem(response: Response, status: number, part: object): Promise<void> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({ status, ...part });
  expect(response.status).toBe(status);
}

test("a file is read, whole, in part, and not again while it stays the same", async () => {
  const path = join(root, "a.txt");
  await writeFile(path, "hello native world");
  await chmod(path, 0o640);
  const whole = await get(path);
  expect(await whole.text()).toBe("hello native world");
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    "content-type": "text/plain; charset=utf-8",
    "content-length": "18",
    "guestd-file-type": "file",
    "guestd-file-mode": "0640",
  });
  const etag = whole.headers.get("etag") ?? "";
  expect(etag).toMatch(/^".+"$/);
  expect((await get(path, { headers: { "If-None-Match": etag } })).status).toBe(304);
  expect((await get(path, { headers: { "If-Match": '"other"' } })).status).toBe(412);
  const part = await get(path, { headers: { Range: "bytes=6-11", "If-Range": etag } });
  expect([part.status, part.headers.get("content-range"), await part.text()]).toEqual([206, "bytes 6-11/18", "native"]);
  const head = await get(path, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), head.headers.get("etag")]).toEqual([200, "18", etag]);
  expect(head.headers.get("guestd-file-owner")).toBe(whole.headers.get("guestd-file-owner"));
});

test("~ is the user's home, nothing is the root", async () => {
  const home = (await (await daemon.fetch("/v1/files/~")).json()) as Listed;
  const here = (await (await daemon.fetch("/v1/files")).json()) as Listed;
  const same = (await (await daemon.fetch("/v1/files/")).json()) as Listed;
  expect(home.path).toMatch(/^\//);
  expect(here.entries.map(({ path }) => path)).toContain("/tmp");
  expect(same.path).toBe("/");
  expect((await daemon.fetch("/v1/files/~?user=no-such-user")).status).toBe(401);
});

test("a directory lists as JSON, to any depth, with details", async () => {
  const path = join(root, "dir");
  await mkdir(join(path, "sub"), { recursive: true });
  await writeFile(join(path, "sub", "file"), "12345");
  await symlink("sub", join(path, "link"));
  await OWN_FILE_ACCESS.makeFifo(join(path, "pipe"), 0o600);
  await chmod(join(path, "sub"), 0o1777);
  const listed = (await (await get(path)).json()) as Listed;
  expect(listed.path).toBe(path);
  expect(listed.entries.map(({ name, type, mode }) => [name, type, mode])).toEqual([
    ["link", "symlink", "0777"],
    ["pipe", "fifo", "0600"],
    ["sub", "directory", "1777"],
  ]);
  expect(listed.entries[0]).toMatchObject({ target: join(path, "sub"), targetType: "directory" });
  const deep = (await (await get(path, {}, "?depth=2")).json()) as Listed;
  expect(deep.entries.at(-1)).toMatchObject({ path: join(path, "sub/file"), size: 5, permissions: "-rw-r--r--" });
  const head = await get(path, { method: "HEAD" });
  expect([head.status, head.headers.get("guestd-file-type"), head.headers.get("content-type")]).toEqual([
    200,
    "directory",
    "application/json",
  ]);
  expect((await get(path, {}, "?depth=0")).status).toBe(400);
});

test("and as ls does for a person", async () => {
  const path = join(root, "ls");
  await mkdir(join(path, "d"), { recursive: true });
  await writeFile(join(path, "d", "two\nlines"), "123");
  await symlink("d", join(path, "link"));
  const text = await (await get(path, { headers: { Accept: "text/plain" } }, "?depth=2")).text();
  const [directory = "", file = "", link = "", ...rest] = text.split("\n");
  expect(directory).toMatch(/^drwxr-xr-x +2 \w+ +\w+ +\d+ \d{4}-\d\d-\d\d \d\d:\d\d d$/);
  expect(file).toMatch(/^-rw-r--r-- +1 .* +3 .* d\/two\\012lines$/);
  expect(link).toMatch(/^lrwxrwxrwx .* link -> \/.*\/d$/);
  expect(rest).toEqual([""]);
  const odd = await get(`//${path}/../ls`, { headers: { Accept: "text/plain" } }, "?depth=2");
  expect(await odd.text()).toBe(text);
});

test("an entry tells of itself, also what cannot be read", async () => {
  const path = join(root, "fifo");
  await OWN_FILE_ACCESS.makeFifo(path, 0o644);
  expect(await (await get(path, {}, "?stat=1")).json()).toMatchObject({ name: "fifo", type: "fifo", links: 1 });
  expect((await get(path, { method: "HEAD" })).headers.get("guestd-file-type")).toBe("fifo");
  await expectProblem(await get(path), 400, { code: "failed_precondition", reason: "not_regular_file" });
  await symlink("nowhere", join(root, "dangling"));
  expect(await (await get(join(root, "dangling"), {}, "?stat=1")).json()).toMatchObject({ type: "symlink" });
  expect((await get(join(root, "dangling"), { method: "HEAD" })).status).toBe(200);
  expect((await get(join(root, "dangling"))).status).toBe(404);
});

test.each([["new\nline"], ["quo\"te's"], ["back\\slash %41 #?&"], ["ä".repeat(127)], ["x".repeat(255)], [" "]])(
  "a file called %j is read and listed",
  async (name) => {
    const path = join(root, "names", name);
    await mkdir(join(root, "names"), { recursive: true });
    await writeFile(path, name);
    expect(await (await get(path)).text()).toBe(name);
    const { entries } = (await (await get(join(root, "names"))).json()) as Listed;
    expect(entries.map((entry) => entry.name)).toContain(name);
  },
);

test("what no path can be is refused clearly", async () => {
  await expectProblem(await get("/nothing/there"), 404, { code: "not_found" });
  await expectProblem(await get("/etc/hostname/x"), 409, { code: "failed_precondition" });
  await expectProblem(await get(`/tmp/${"x".repeat(256)}`), 400, { code: "invalid_argument" });
  await expectProblem(await get(`/tmp${"/long-name".repeat(450)}`), 400, { code: "invalid_argument" });
  await expectProblem(await daemon.fetch("/v1/files/tmp/a%00b"), 400, { code: "invalid_argument" });
  await expectProblem(await daemon.fetch("/v1/files/tmp/%ff"), 400, { detail: expect.stringContaining("not UTF-8") });
  const other = await daemon.fetch("/v1/files/tmp", { method: "OPTIONS" });
  expect(other.status).toBe(405);
});

test("a large directory comes in order and whole, whoever reads slowly", async () => {
  const path = join(root, "large");
  await mkdir(path);
  const names = Array.from({ length: 3000 }, (_, index) => `file-${String(index).padStart(5, "0")}`);
  await Promise.all(names.map((name) => writeFile(join(path, name), "")));
  const response = await get(path);
  const { entries } = (await response.json()) as Listed;
  expect(entries.map(({ name }) => name)).toEqual(names);
  const abandoned = await get(path);
  await abandoned.body?.cancel();
  expect((await get(join(path, "file-00000"))).status).toBe(200);
});
