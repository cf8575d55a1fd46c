import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestServer, testServer } from "../unit/filesystem/server.ts";

let server: TestServer;
let root: string;

beforeAll(async () => {
  server = await testServer();
  root = server.files.root;
});
afterAll(() => server[Symbol.asyncDispose]());

interface Told {
  status: number;
  body: { code?: string | number; message?: string; entry?: object; entries?: { name: string; path: string }[] };
}

async function call(method: string, message: object): Promise<Told> {
  const response = await fetch(`${server.url}/filesystem.Filesystem/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(message),
  });
  return { status: response.status, body: (await response.json()) as Told["body"] };
}

function files(path: string, body?: string): Promise<Response> {
  const url = `${server.url}/files?${new URLSearchParams({ path }).toString()}`;
  if (body === undefined) return fetch(url);
  return fetch(url, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" } });
}

const NAMES = [
  "new\nline",
  "quote'\"`",
  "back\\slash",
  "-rf",
  "~",
  "$(id)",
  " ",
  "\u202eabc",
  "\u0001",
  "ü".repeat(127),
];

test.each([...NAMES, "n".repeat(255)])(
  "a file called %j is written, told, listed, read, moved and removed",
  async (name) => {
    const folder = join(root, `of-${NAMES.indexOf(name)}`);
    const path = `${folder}/${name}`;
    const upload = await files(path, name);
    expect([upload.status, await upload.json()]).toEqual([200, [{ name, path, type: "file" }]]);
    expect(await readdir(folder)).toEqual([name]);
    expect(await call("Stat", { path })).toMatchObject({ status: 200, body: { entry: { name, path } } });
    expect((await call("ListDir", { path: folder })).body.entries).toMatchObject([{ name, path }]);
    const download = await files(path);
    expect([download.status, await download.text()]).toEqual([200, name]);
    const moved = await call("Move", { source: path, destination: `${folder}/${name}/../moved/${name}` });
    expect(moved, "a file is no directory, also before ..").toMatchObject({ status: 500 });
    await call("Move", { source: path, destination: `${folder}/moved/${name}` });
    expect(await readdir(join(folder, "moved"))).toEqual([name]);
    expect((await call("Remove", { path: `${folder}/moved/${name}` })).status).toBe(200);
    expect(await readdir(join(folder, "moved"))).toEqual([]);
  },
);

test("a name that is not UTF-8 is listed beside the others, which are unaffected", async () => {
  const folder = join(root, "bytes");
  await mkdir(folder);
  await writeFile(join(folder, "b"), "");
  await writeFile(Buffer.concat([Buffer.from(`${folder}/a`), Buffer.of(0xff, 0xfe)]), "");
  const { body } = await call("ListDir", { path: folder });
  expect(body.entries?.map(({ name }) => name)).toEqual(["a\uFFFD\uFFFD", "b"]);
  expect((await files(`${folder}/a\uFFFD\uFFFD`)).status).toBe(404);
  const moved = await call("Move", { source: folder, destination: `${folder}-moved` });
  expect(moved.status).toBe(200);
  expect((await call("Remove", { path: `${folder}-moved` })).status).toBe(200);
  await expect(rename(`${folder}-moved`, folder)).rejects.toMatchObject({ code: "ENOENT" });
});

describe.each([
  ["a name of 256 bytes", () => `${root}/${"n".repeat(256)}`],
  ["a path of more than 4096 bytes", () => `${root}/${"d/".repeat(2100)}f`],
  ["a NUL", () => `${root}/nul\0/etc/passwd`],
])("%s", (_, pathOf) => {
  test.each(["Stat", "ListDir", "MakeDir", "Remove"])("is refused by %s", async (method) => {
    const { status, body } = await call(method, { path: pathOf() });
    expect([status, body.code]).toEqual([400, "invalid_argument"]);
  });

  test("is refused by Move on either side, by uploads and by downloads, and nothing is made", async () => {
    const before = (await readdir(root)).toSorted();
    expect(await call("Move", { source: pathOf(), destination: join(root, "x") })).toMatchObject({ status: 400 });
    await writeFile(join(root, "is-there"), "");
    expect(await call("Move", { source: join(root, "is-there"), destination: pathOf() })).toMatchObject({
      status: 400,
    });
    expect((await files(pathOf())).status).toBe(400);
    expect((await files(pathOf(), "x")).status).toBe(400);
    expect((await readdir(root)).filter((name) => name !== "is-there").toSorted()).toEqual(
      before.filter((name) => name !== "is-there"),
    );
  });
});
