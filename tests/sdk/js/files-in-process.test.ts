import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FileNotFoundError, FileType, InvalidArgumentError, NotEnoughSpaceError, Sandbox } from "e2b";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestServer, testServer } from "../../unit/filesystem/server.ts";

let server: TestServer;
let sandbox: Sandbox;
let root: string;

beforeAll(async () => {
  server = await testServer();
  root = server.files.root;
  sandbox = await Sandbox.create({ debug: true, sandboxUrl: server.url });
});
afterAll(() => server[Symbol.asyncDispose]());

test("the published SDK writes and reads files in every form", async () => {
  const path = join(root, "a/b.txt");
  expect(await sandbox.files.write(path, "hello")).toEqual({ name: "b.txt", path, type: "file" });
  expect(await sandbox.files.read(path)).toBe("hello");
  expect(await sandbox.files.read(path, { format: "bytes" })).toEqual(new TextEncoder().encode("hello"));
  await sandbox.files.write(path, "", { useOctetStream: true });
  expect(await sandbox.files.read(path)).toBe("");
  const large = "0123456789".repeat(200_000);
  await sandbox.files.write(path, large, { gzip: true });
  expect((await sandbox.files.read(path, { gzip: true })) === large).toBe(true);
  expect((await readFile(path, "utf8")) === large).toBe(true);
  const written = await sandbox.files.write([
    { path: join(root, "m/1"), data: "one" },
    { path: join(root, "m/2"), data: new TextEncoder().encode("two").buffer },
  ]);
  expect(written.map((file) => file.path)).toEqual([join(root, "m/1"), join(root, "m/2")]);
  const stream = new Blob(["streamed"]).stream();
  await sandbox.files.write(join(root, "s"), stream);
  expect(await sandbox.files.read(join(root, "s"))).toBe("streamed");
});

test("the published SDK manages files", async () => {
  const dir = join(root, "dir");
  expect(await sandbox.files.makeDir(dir)).toBe(true);
  expect(await sandbox.files.makeDir(dir)).toBe(false);
  await sandbox.files.write(join(dir, "file"), "x", { metadata: { kind: "note" } });
  expect(await sandbox.files.getInfo(join(dir, "file"))).toMatchObject({
    type: FileType.FILE,
    size: 1,
    metadata: { kind: "note" },
  });
  await sandbox.files.rename(join(dir, "file"), join(dir, "renamed"));
  expect((await sandbox.files.list(dir)).map(({ name }) => name)).toEqual(["renamed"]);
  expect(await sandbox.files.exists(join(dir, "file"))).toBe(false);
  await sandbox.files.remove(dir);
  expect(await sandbox.files.exists(dir)).toBe(false);
});

test("the published SDK throws its own errors", async () => {
  await expect(sandbox.files.read(join(root, "nope"))).rejects.toThrow(FileNotFoundError);
  await expect(sandbox.files.getInfo(join(root, "nope"))).rejects.toThrow(FileNotFoundError);
  await expect(sandbox.files.write(root, "x")).rejects.toThrow(InvalidArgumentError);
  expect(NotEnoughSpaceError.name).toBe("NotEnoughSpaceError");
});
