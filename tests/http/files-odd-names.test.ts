import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectProblem, NativeFiles } from "../helpers/native-files.ts";
import { type TestServer, testServer } from "../unit/filesystem/server.ts";
import { OCTETS } from "./upload-client.ts";

const JSON_BODY = { "Content-Type": "application/json" };

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

/** A text with bytes in it that are no UTF-8: `\xff` in `text` stands for that byte. */
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "latin1"));

/** Every way to send a path, each with one that is not UTF-8. */
const BROKEN: { how: string; send: (folder: string) => [path: string, init: RequestInit] }[] = [
  {
    how: "the query of an upload",
    send: (folder) => [`/files?path=${folder}/a%FFb`, { method: "POST", body: "x", headers: OCTETS }],
  },
  { how: "the query of a download", send: (folder) => [`/files?path=${folder}/a%FFb`, {}] },
  {
    how: "a form",
    send: (folder) => {
      const head = `--b\r\nContent-Disposition: form-data; name="file"; filename="${folder}/a\xff"\r\n\r\nx\r\n--b--\r\n`;
      return [
        "/files",
        { method: "POST", body: bytesOf(head), headers: { "Content-Type": "multipart/form-data; boundary=b" } },
      ];
    },
  },
  {
    how: "an RPC's JSON",
    send: (folder) => [
      "/filesystem.Filesystem/MakeDir",
      { method: "POST", body: bytesOf(`{"path":"${folder}/a\xff"}`), headers: JSON_BODY },
    ],
  },
  {
    how: "an RPC's JSON, as half a character",
    send: (folder) => [
      "/filesystem.Filesystem/MakeDir",
      { method: "POST", body: `{"path":"${folder}/a\\udcff"}`, headers: JSON_BODY },
    ],
  },
  {
    how: "the JSON of compose",
    send: (folder) => [
      "/files/compose",
      { method: "POST", body: bytesOf(`{"source_paths":["${folder}/there"],"destination":"${folder}/a\xff"}`) },
    ],
  },
  {
    how: "the destination of a copy, as half a character",
    send: (folder) => [
      `/v1/files${folder}/there`,
      { method: "POST", body: `{"op":"copy","to":"${folder}/a\\udcff"}`, headers: JSON_BODY },
    ],
  },
  ...["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"].map((method) => ({
    how: `the URL of a native ${method}`,
    send: (folder: string): [string, RequestInit] => {
      const body = method === "GET" || method === "HEAD" ? {} : { body: '{"op":"mkdir"}', headers: JSON_BODY };
      const range = { headers: { "Content-Range": "bytes 0-13/14" } };
      return [`/v1/files${folder}/a%FFb`, { method, ...body, ...(method === "PATCH" && range) }];
    },
  })),
];

test.each(BROKEN)("a path that is not UTF-8 is refused in $how, and nothing else is meant by it", async ({ send }) => {
  const folder = join(root, "broken");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "there"), "x");
  const [path, init] = send(folder);
  const response = await fetch(server.url + path, init);
  const text = await response.text();
  expect(response.status, text).toBe(400);
  if (init.method !== "HEAD") expect(text).toMatch(/UTF-?8/);
  expect(await readdir(folder)).toEqual(["there"]);
});

test.each(["a\"b'c\nd", "n".repeat(255), "100%", "%41", "a+b & c?d#e"])(
  "the native face writes, tells, lists, copies, moves and removes a file called %j",
  async (name) => {
    const folder = join(root, "native");
    const client = new NativeFiles(() => server.url);
    const path = `${folder}/${name}`;
    expect((await client.put(path, name)).status).toBe(201);
    expect(await readdir(folder)).toEqual([name]);
    expect(await (await client.request("GET", path)).text()).toBe(name);
    expect(await (await client.request("GET", path, {}, "?stat=1")).json()).toMatchObject({ name, path });
    expect(await (await client.request("GET", folder)).json()).toMatchObject({ entries: [{ name, path }] });
    const lines = (await (await client.request("GET", folder, { headers: { Accept: "text/plain" } })).text()).split(
      "\n",
    );
    expect(lines).toHaveLength(2);
    expect((await client.change(path, { op: "copy", to: `${folder}/in/${name}` })).status).toBe(201);
    expect((await client.change(path, { op: "move", to: `${folder}/in/${name}`, overwrite: true })).status).toBe(200);
    expect(await readdir(folder)).toEqual(["in"]);
    expect((await client.request("DELETE", folder, {}, "?recursive=1")).status).toBe(204);
  },
);

test.each([
  ["a name of 256 bytes", () => `${root}/${"n".repeat(256)}`],
  ["a path of more than 4096 bytes", () => `${root}/${"d/".repeat(2100)}f`],
  ["a NUL", () => `${root}/nul\0/etc/passwd`],
])("%s is refused by every method of the native face", async (_, pathOf) => {
  const client = new NativeFiles(() => server.url);
  const init = { headers: { "Content-Range": "bytes 0-0/1" } };
  for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
    const body = method === "PUT" || method === "PATCH" ? { body: "x" } : {};
    await expectProblem(await client.request(method, pathOf(), { ...init, ...body }), 400, {
      code: "invalid_argument",
    });
  }
  await expectProblem(await client.change(pathOf(), { op: "mkdir" }), 400, { code: "invalid_argument" });
});
