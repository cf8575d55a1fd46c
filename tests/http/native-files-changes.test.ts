import { existsSync, lstatSync, statSync } from "node:fs";
import { chmod, chown, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../src/host/own-file-access.ts";
import { expectProblem, NativeFiles } from "../helpers/native-files.ts";
import { smallDisk } from "../unit/filesystem/bodies.ts";
import { isRoot, type TestServer } from "../unit/filesystem/server.ts";
import { onFileServer } from "./file-server.ts";

let server: TestServer;
let root: string;
onFileServer((place) => {
  ({ server, root } = place);
});

const client = new NativeFiles(() => server.url);
const change = client.change.bind(client);
const remove = (path: string, query = "", headers: Record<string, string> = {}): Promise<Response> =>
  client.request("DELETE", path, { headers }, query);

describe("DELETE", () => {
  test("removes a file, a link, an empty directory, and says when there is none", async () => {
    await writeFile(join(root, "file"), "x");
    await symlink("file", join(root, "link"));
    await mkdir(join(root, "dir"));
    await OWN_FILE_ACCESS.makeFifo(join(root, "fifo"), 0o600);
    for (const name of ["link", "dir", "fifo", "file"]) expect((await remove(join(root, name))).status).toBe(204);
    await expectProblem(await remove(join(root, "file")), 404, { code: "not_found" });
    await expectProblem(await remove(join(root, "no/such")), 404, { code: "not_found" });
    expect(await readdir(root)).toEqual([]);
  });

  test("removes a directory with what is in it only when told so", async () => {
    await mkdir(join(root, "dir/sub"), { recursive: true });
    await writeFile(join(root, "kept"), "x");
    await symlink(join(root, "kept"), join(root, "dir/link"));
    await expectProblem(await remove(join(root, "dir")), 409, {
      reason: "directory_not_empty",
      hint: expect.stringContaining("recursive=1"),
    });
    expect(existsSync(join(root, "dir/sub"))).toBe(true);
    expect((await remove(join(root, "dir"), "?recursive=1")).status).toBe(204);
    expect(await readdir(root)).toEqual(["kept"]);
  });

  test("removes only the state that is expected", async () => {
    const path = join(root, "a");
    const etag = (await client.put(path, "one")).headers.get("etag") ?? "";
    await client.put(path, "two");
    await expectProblem(await remove(path, "", { "If-Match": etag }), 412, { reason: "precondition_failed" });
    const now = (await client.request("HEAD", path)).headers.get("etag") ?? "";
    expect((await remove(path, "", { "If-Match": now })).status).toBe(204);
  });
});

describe("POST", () => {
  test("mkdir makes a directory and those above it, again and again", async () => {
    const path = join(root, "a/b/c");
    const made = await change(path, { op: "mkdir", mode: "0750" });
    expect([made.status, await made.json()]).toMatchObject([201, { path, type: "directory", mode: "0750" }]);
    expect((await change(path, { op: "mkdir", mode: "0700" })).status).toBe(200);
    expect(statSync(path).mode & 0o7777).toBe(0o750);
    await writeFile(join(root, "file"), "");
    await expectProblem(await change(join(root, "file"), { op: "mkdir" }), 409, { code: "already_exists" });
    await expectProblem(await change(join(root, "file/x"), { op: "mkdir" }), 409);
    await symlink("nowhere", join(root, "dangling"));
    await expectProblem(await change(join(root, "dangling"), { op: "mkdir" }), 409, { code: "already_exists" });
    await symlink("a", join(root, "to-a"));
    expect((await change(join(root, "to-a"), { op: "mkdir" })).status).toBe(200);
  });

  test("move renames, and replaces a file only when told so", async () => {
    await writeFile(join(root, "a"), "a");
    await writeFile(join(root, "b"), "b");
    await mkdir(join(root, "dir"));
    const [a, b] = [join(root, "a"), join(root, "b")];
    await expectProblem(await change(a, { op: "move", to: b }), 409, {
      code: "already_exists",
      hint: expect.stringContaining("overwrite"),
    });
    expect(await readFile(b, "utf8")).toBe("b");
    await expectProblem(await change(a, { op: "move", to: join(root, "dir"), overwrite: true }), 409);
    const moved = await change(a, { op: "move", to: b, overwrite: true });
    expect([moved.status, await moved.json()]).toMatchObject([200, { path: b }]);
    expect(await readFile(b, "utf8")).toBe("a");
    expect((await change(b, { op: "move", to: join(root, "new/deep") })).status).toBe(200);
    await expectProblem(await change(b, { op: "move", to: a }), 404, { code: "not_found" });
    await expectProblem(await change(join(root, "dir"), { op: "move", to: join(root, "dir/in") }), 409);
  });

  test("copy copies a tree as it is, for the user who asks", async () => {
    const source = join(root, "tree");
    await mkdir(join(source, "sub"), { recursive: true });
    await writeFile(join(source, "sub/file"), "content");
    await OWN_FILE_ACCESS.writeAttribute(join(source, "sub/file"), "user.color", Buffer.from("blue"));
    await chmod(join(source, "sub/file"), 0o4755);
    await symlink("sub/file", join(source, "link"));
    const copy = join(root, "new/copy");
    const query = isRoot ? "?user=nobody" : "";
    const copied = await change(source, { op: "copy", to: copy }, query);
    expect([copied.status, await copied.json()]).toMatchObject([201, { path: copy, type: "directory" }]);
    expect(await readFile(join(copy, "sub/file"), "utf8")).toBe("content");
    expect((await OWN_FILE_ACCESS.readAttribute(join(copy, "sub/file"), "user.color")).toString()).toBe("blue");
    expect(await readlink(join(copy, "link"))).toBe("sub/file");
    if (isRoot) {
      for (const name of ["", "sub", "sub/file", "link"]) expect(lstatSync(join(copy, name)).uid).toBe(65_534);
      expect(statSync(join(copy, "sub/file")).mode & 0o7777).toBe(0o755);
    }
    await expectProblem(await change(source, { op: "copy", to: copy }), 409);
    await expectProblem(await change(source, { op: "copy", to: join(source, "sub/in") }), 409);
    await expectProblem(await change(join(root, "nothing"), { op: "copy", to: copy }), 404);
    await writeFile(join(root, "a"), "a");
    await expectProblem(await change(join(source, "sub/file"), { op: "copy", to: join(root, "a") }), 409);
    const over = await change(join(source, "sub/file"), { op: "copy", to: join(root, "a"), overwrite: true });
    expect([over.status, await readFile(join(root, "a"), "utf8")]).toEqual([201, "content"]);
    expect((await readdir(root)).toSorted()).toEqual(["a", "new", "tree"]);
  });

  test("copy leaves nothing on a disk that is full", async (context) => {
    await using disk = await smallDisk("size=1m");
    if (!disk) return context.skip();
    const tree = join(root, "tree");
    await mkdir(tree);
    for (const name of ["a", "b", "c"]) await writeFile(join(tree, name), Buffer.alloc(500 * 1024));
    const to = join(disk.path, "copy");
    await expectProblem(await change(tree, { op: "copy", to }), 507, { reason: "no_space" });
    await expectProblem(await change(tree, { op: "move", to }), 507, { reason: "no_space" });
    expect([await readdir(disk.path), await readdir(tree)]).toEqual([[], ["a", "b", "c"]]);
  });

  test("chmod changes a mode, and all of a tree's, but follows no link in it", async () => {
    const [dir, file, outside] = [join(root, "dir"), join(root, "dir/file"), join(root, "outside")];
    await mkdir(dir);
    await writeFile(file, "");
    await writeFile(outside, "", { mode: 0o600 });
    await symlink(outside, join(dir, "link"));
    expect(await (await change(file, { op: "chmod", mode: "4711" })).json()).toMatchObject({ mode: "4711" });
    expect((await change(dir, { op: "chmod", mode: "0755", recursive: true })).status).toBe(200);
    expect([dir, file, outside].map((path) => statSync(path).mode & 0o7777)).toEqual([0o755, 0o755, 0o600]);
    expect((await change(join(dir, "link"), { op: "chmod", mode: "640" })).status).toBe(200);
    expect(statSync(outside).mode & 0o7777).toBe(0o640);
    await symlink("nowhere", join(root, "dangling"));
    await expectProblem(await change(join(root, "dangling"), { op: "chmod", mode: "640" }), 404);
  });

  test.runIf(isRoot)("chown gives things to accounts and groups by name or number", async () => {
    const [dir, file, outside] = [join(root, "dir"), join(root, "dir/file"), join(root, "outside")];
    await mkdir(dir);
    await writeFile(file, "");
    await writeFile(outside, "");
    await symlink(outside, join(dir, "link"));
    const given = await change(dir, { op: "chown", owner: "nobody", group: "1234", recursive: true });
    expect(await given.json()).toMatchObject({ owner: "nobody", group: "1234" });
    expect([dir, file, outside].map((path) => statSync(path).uid)).toEqual([65_534, 65_534, 0]);
    expect((await lstat(join(dir, "link"))).uid).toBe(0);
    expect((await change(file, { op: "chown", group: "daemon" })).status).toBe(200);
    expect(statSync(file).uid).toBe(65_534);
    for (const names of [{ owner: "no-such-account" }, { group: "no-such-group" }, { owner: "4294967295" }, {}]) {
      await expectProblem(await change(file, { op: "chown", ...names }), 400, { code: "invalid_argument" });
    }
  });

  test("symlink makes a link, and replaces one only when told so", async () => {
    const path = join(root, "new/link");
    const query = isRoot ? "?user=nobody" : "";
    const made = await change(path, { op: "symlink", target: "../target" }, query);
    expect([made.status, await made.json()]).toMatchObject([201, { type: "symlink" }]);
    if (isRoot) expect(lstatSync(path).uid).toBe(65_534);
    await expectProblem(await change(path, { op: "symlink", target: "x" }), 409, { code: "already_exists" });
    expect(await readlink(path)).toBe("../target");
    expect((await change(path, { op: "symlink", target: "x", overwrite: true })).status).toBe(201);
    expect(await readlink(path)).toBe("x");
    await expectProblem(await change(root, { op: "symlink", target: "x", overwrite: true }), 409);
    await expectProblem(await change(join(root, "l"), { op: "symlink", target: "a\0b" }), 400);
    expect(await readdir(join(root, "new"))).toEqual(["link"]);
  });

  test("says what is wrong with a body", async () => {
    const path = join(root, "a");
    await writeFile(path, "x");
    if (isRoot) await chown(path, 1234, 1234);
    const bodies: [object, string][] = [
      [{ op: "explode" }, "body.op"],
      [{ op: "chmod" }, "body.mode"],
      [{ op: "chmod", mode: 644 }, "body.mode"],
      [{ op: "chmod", mode: "u+x" }, "body.mode"],
      [{ op: "move" }, "body.to"],
      [{ op: "move", to: "" }, "body.to"],
      [{ op: "mkdir", parents: true }, "body.parents"],
      [[], "body"],
    ];
    for (const [body, member] of bodies) {
      const response = await change(path, body);
      expect([body, response.status]).toEqual([body, 400]);
      expect(((await response.json()) as { detail: string }).detail).toContain(member);
    }
    await expectProblem(await client.request("POST", path, { body: "{" }), 400);
    await expectProblem(await client.request("POST", path, { body: JSON.stringify("x".repeat(70_000)) }), 413);
    expect(await readFile(path, "utf8")).toBe("x");
  });
});
