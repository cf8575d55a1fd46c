import { statSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../src/host/own-file-access.ts";
import { smallDisk } from "../unit/filesystem/bodies.ts";
import { isRoot, type TestServer, testServer } from "../unit/filesystem/server.ts";

const TOKEN = "secret-of-compose";
const MIB = 1024 * 1024;

let server: TestServer;
let root: string;
let count = 0;
beforeAll(async () => {
  server = await testServer({ token: TOKEN });
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  count += 1;
  root = join(server.files.root, String(count));
  await mkdir(root);
  for (const name of ["a", "b", "c"]) await writeFile(join(root, name), `content of ${name}\n`);
});

function compose(body: unknown, token = TOKEN): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(`${server.url}/files/compose`, { method: "POST", body: text, headers: { "X-Access-Token": token } });
}

async function expectError(response: Response, code: number, message: string | object): Promise<void> {
  expect([response.status, await response.json()]).toEqual([code, { code, message }]);
}

const at = (...names: string[]): string[] => names.map((name) => join(root, name));

test("makes one file of several, in their order, and removes them", async () => {
  const [destination = ""] = at("new/dir/whole");
  await writeFile(join(root, "b"), Buffer.alloc(3 * MIB, "b"));
  const response = await compose({ source_paths: at("c", "b", "a"), destination });
  expect([response.status, await response.json()]).toEqual([200, { name: "whole", path: destination, type: "file" }]);
  const expected = `content of c\n${"b".repeat(3 * MIB)}content of a\n`;
  expect((await readFile(destination)).equals(Buffer.from(expected))).toBe(true);
  expect(statSync(destination).mode & 0o7777).toBe(0o644);
  expect([await readdir(root), await readdir(join(root, "new/dir"))]).toEqual([["new"], ["whole"]]);
  expect(await readdir(server.files.spool)).toEqual([]);
});

test("replaces the destination, and puts no link's target in its place", async () => {
  const [destination = "", outside = ""] = at("link", "outside");
  await writeFile(outside, "kept");
  await symlink("outside", destination);
  expect((await compose({ source_paths: at("a", "b"), destination })).status).toBe(200);
  expect([await readFile(destination, "utf8"), await readFile(outside, "utf8")]).toEqual([
    "content of a\ncontent of b\n",
    "kept",
  ]);
});

test.runIf(isRoot)("makes the file of the user who is named", async () => {
  const [destination = ""] = at("mine/whole");
  expect((await compose({ source_paths: at("a"), destination, username: "nobody" })).status).toBe(200);
  expect([statSync(destination).uid, statSync(join(root, "mine")).uid]).toEqual([65_534, 65_534]);
});

test("says in the contract's words what is wrong, and leaves everything", async () => {
  const [destination = "", a = "", fifo = "", none = ""] = at("whole", "a", "fifo", "none");
  await OWN_FILE_ACCESS.makeFifo(fifo, 0o600);
  await writeFile(destination, "old");
  const cases: [unknown, number, string | object][] = [
    ["{", 400, expect.stringMatching(/^invalid request body: /)],
    [{ source_paths: "a" }, 400, expect.stringMatching(/^invalid request body: /)],
    [{ destination }, 400, "source_paths must not be empty"],
    [{ source_paths: [], destination }, 400, "source_paths must not be empty"],
    [{ source_paths: [a] }, 400, "destination is required"],
    [
      { source_paths: [a, destination], destination },
      400,
      `source path "${destination}" cannot be the same as destination`,
    ],
    [{ source_paths: [a], destination: "~other/x" }, 400, expect.stringMatching(/^error resolving destination path: /)],
    [
      { source_paths: [a, "~other/x"], destination },
      400,
      expect.stringMatching(/^error resolving source path "~other\/x": /),
    ],
    [{ source_paths: [a, none], destination }, 404, `source file not found: ${none}`],
    [{ source_paths: [a, `${none}/deep`], destination }, 404, `source file not found: ${none}/deep`],
    [{ source_paths: [a, fifo], destination }, 400, `source path is not a regular file: ${fifo}`],
    [{ source_paths: [a, root], destination }, 400, `source path is not a regular file: ${root}`],
    [{ source_paths: [a], destination: join(a, "x") }, 500, expect.stringMatching(/^error ensuring directories: /)],
    [{ source_paths: [a], destination: "/tmp" }, 500, expect.stringMatching(/^error finalizing compose: /)],
    [
      { source_paths: [a], destination, username: "no-such-user" },
      401,
      "error looking up user 'no-such-user': user: unknown user no-such-user",
    ],
  ];
  for (const [body, status, message] of cases) {
    const response = await compose(body);
    if (status === 401) expect(await response.json()).toMatchObject({ message });
    else await expectError(response, status, message);
  }
  expect((await compose({ source_paths: [a], destination }, "wrong")).status).toBe(401);
  expect((await readdir(root)).toSorted()).toEqual(["a", "b", "c", "fifo", "whole"]);
  expect(await readFile(destination, "utf8")).toBe("old");
});

test("leaves sources and destination when the disk is full", async (context) => {
  await using disk = await smallDisk("size=2m");
  if (!disk) return context.skip();
  const sources = ["1", "2", "3"].map((name) => join(disk.path, name));
  for (const source of sources) await writeFile(source, Buffer.alloc(MIB / 2, source));
  const destination = join(disk.path, "whole");
  await writeFile(destination, "old");
  const response = await compose({ source_paths: sources, destination });
  await expectError(response, 507, "not enough disk space available");
  expect((await readdir(disk.path)).toSorted()).toEqual(["1", "2", "3", "whole"]);
  expect(await readFile(destination, "utf8")).toBe("old");
});
