import { fromBinary, toBinary, create } from "@bufbuild/protobuf";
import { statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ListDirRequestSchema, ListDirResponseSchema } from "../../src/contracts/gen/filesystem_pb.js";
import { isRoot, type TestServer, testServer } from "../unit/filesystem/server.ts";

let server: TestServer;
let root: string;

beforeAll(async () => {
  server = await testServer();
  root = server.files.root;
  await mkdir(join(root, "list/sub"), { recursive: true });
  await writeFile(join(root, "list/file"), "12345", { mode: 0o600 });
  await writeFile(join(root, "list/sub/deep"), "");
});
afterAll(() => server[Symbol.asyncDispose]());

async function call(
  method: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(`${server.url}/filesystem.Filesystem/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(message),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

test("Stat tells everything of a file, and leaves out what is zero", async () => {
  const { name } = server.files.users.self();
  const { body } = await call("Stat", { path: join(root, "list/file") });
  expect(body).toEqual({
    entry: {
      name: "file",
      type: "FILE_TYPE_FILE",
      path: join(root, "list/file"),
      size: "5",
      mode: 0o600,
      permissions: "-rw-------",
      owner: name,
      group: server.files.users.groupName(process.getegid?.() ?? 0),
      modifiedTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
    },
  });
  expect(await call("Stat", { path: "/nope" })).toMatchObject({
    status: 404,
    body: { code: "not_found", message: "file not found: lstat /nope: no such file or directory" },
  });
});

test("ListDir lists one level, or as many as it is asked for", async () => {
  const paths = async (depth?: number): Promise<string[]> => {
    const { body } = await call("ListDir", { path: join(root, "list"), ...(depth !== undefined && { depth }) });
    return (body as { entries: { path: string }[] }).entries.map(({ path }) => path.slice(root.length));
  };
  expect(await paths()).toEqual(["/list/file", "/list/sub"]);
  expect(await paths(0)).toEqual(["/list/file", "/list/sub"]);
  expect(await paths(2)).toEqual(["/list/file", "/list/sub", "/list/sub/deep"]);
  await mkdir(join(root, "nothing"));
  expect((await call("ListDir", { path: join(root, "nothing") })).body).toEqual({});
  expect(await call("ListDir", { path: join(root, "list/file") })).toMatchObject({
    status: 400,
    body: { code: "invalid_argument", message: `path is not a directory: ${root}/list/file` },
  });
});

test("ListDir speaks protobuf and gzip too", async () => {
  const message = toBinary(ListDirRequestSchema, create(ListDirRequestSchema, { path: "/proc/self", depth: 1 }));
  const response = await fetch(`${server.url}/filesystem.Filesystem/ListDir`, {
    method: "POST",
    headers: { "Content-Type": "application/proto", "Accept-Encoding": "gzip" },
    body: Buffer.from(message),
  });
  expect(response.headers.get("content-encoding")).toBe("gzip");
  const { entries } = fromBinary(ListDirResponseSchema, Buffer.from(await response.arrayBuffer()));
  expect(entries.map(({ name }) => name)).toContain("status");
});

test("MakeDir, Move and Remove do what they say", async () => {
  const [a, b] = [join(root, "made/a"), join(root, "moved/to/b")];
  expect(await call("MakeDir", { path: a })).toMatchObject({
    status: 200,
    body: { entry: { permissions: "drwxr-xr-x" } },
  });
  expect(await call("MakeDir", { path: a })).toMatchObject({ status: 409, body: { code: "already_exists" } });
  expect(await call("Move", { source: a, destination: b })).toMatchObject({ body: { entry: { name: "b", path: b } } });
  expect(await call("Move", { source: a, destination: b })).toMatchObject({
    status: 404,
    body: { message: `source file not found: rename ${a} ${b}: no such file or directory` },
  });
  expect(await call("Remove", { path: join(root, "moved") })).toMatchObject({ status: 200, body: {} });
  expect(await call("Remove", { path: join(root, "moved") })).toMatchObject({ status: 200, body: {} });
  expect(await call("Remove", { path: "" })).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
});

test.runIf(isRoot)("the user of Basic authentication owns what is made, and has the home", async () => {
  const headers = { Authorization: `Basic ${btoa("nobody:")}` };
  await call("MakeDir", { path: join(root, "theirs") }, headers);
  expect(statSync(join(root, "theirs")).uid).toBe(65_534);
  const home = server.files.users.get("nobody").home;
  expect(await call("Stat", { path: "x" }, headers)).toMatchObject({
    body: { message: expect.stringContaining(`lstat ${join(home, "x")}`) },
  });
});

test("an unknown user is refused", async () => {
  const headers = { Authorization: `Basic ${btoa("no-such-user:")}` };
  expect(await call("Stat", { path: "/" }, headers)).toMatchObject({
    status: 401,
    body: { code: "unauthenticated", message: "invalid username: 'no-such-user'" },
  });
});

test("clients of old SDKs get the fields they know", async () => {
  const { body, headers } = await call("ListDir", { path: join(root, "list") }, { "User-Agent": "connect-python" });
  expect(headers.get("x-e2b-legacy-sdk")).toBe("true");
  expect((body as { entries: unknown[] }).entries[0]).toEqual({
    name: "file",
    type: "FILE_TYPE_FILE",
    path: join(root, "list/file"),
  });
});
