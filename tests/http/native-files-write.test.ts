import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { chmod, chown, link, open, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../src/host/own-file-access.ts";
import { expectProblem, NativeFiles, sha256 } from "../helpers/native-files.ts";
import { smallDisk } from "../unit/filesystem/bodies.ts";
import { isRoot, type TestServer } from "../unit/filesystem/server.ts";
import { onFileServer } from "./file-server.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const run = promisify(execFile);

let server: TestServer;
let root: string;
onFileServer((place) => {
  ({ server, root } = place);
});

const client = new NativeFiles(() => server.url);
const put = client.put.bind(client);
/** Nothing but what a test has made is left, wherever it could be. */
async function expectOnly(...names: string[]): Promise<void> {
  expect((await readdir(root)).toSorted()).toEqual(names.toSorted());
  expect(await readdir(server.files.spool)).toEqual([]);
}

describe("PUT", () => {
  test("makes a file with the directories above it, and tells what it made", async () => {
    const path = join(root, "new/dir/a.txt");
    const response = await put(path, "hello");
    expect(response.status).toBe(201);
    const entry = (await response.json()) as Record<string, unknown>;
    expect(entry).toMatchObject({ path, type: "file", size: 5, mode: "0644", atomic: true });
    expect(response.headers.get("etag")).toBe(entry["etag"]);
    expect((await client.request("HEAD", path)).headers.get("etag")).toBe(entry["etag"]);
    expect(await readFile(path, "utf8")).toBe("hello");
    await expectOnly("new");
  });

  test.each([0, 5, 300 * KIB, 3 * MIB])(
    "of %i bytes replaces a file in one step and keeps what it is",
    async (size) => {
      const path = join(root, "a");
      await writeFile(path, "old content");
      await chmod(path, 0o4751);
      if (isRoot) await chown(path, 1234, 2345);
      if (isRoot) await chmod(path, 0o4751);
      await OWN_FILE_ACCESS.writeAttribute(path, "user.color", Buffer.from("blue"));
      await using before = await open(path);
      const bytes = Buffer.alloc(size, "new");
      const response = await put(path, bytes);
      expect([response.status, ((await response.json()) as { atomic: boolean }).atomic]).toEqual([200, true]);
      expect((await readFile(path)).equals(bytes)).toBe(true);
      expect(await before.readFile("utf8")).toBe("old content");
      const now = statSync(path);
      expect(now).toMatchObject({ mode: 0o104751, ...(isRoot && { uid: 1234, gid: 2345 }) });
      expect((await OWN_FILE_ACCESS.readAttribute(path, "user.color")).toString()).toBe("blue");
      await expectOnly("a");
    },
  );

  test("sets the mode that is asked for, of new files and old ones", async () => {
    const path = join(root, "a");
    await put(path, "1", "?mode=0600");
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    await put(path, "2", "?mode=755");
    expect(statSync(path).mode & 0o7777).toBe(0o755);
    await expectProblem(await put(path, "3", "?mode=rwx"), 400, { detail: expect.stringContaining("mode") });
    await expectProblem(await put(path, "3", "?mode=999"), 400);
    expect(await readFile(path, "utf8")).toBe("2");
  });

  test("goes through a link to what it leads to, there or not; other names keep the old content", async () => {
    await writeFile(join(root, "target"), "old");
    await link(join(root, "target"), join(root, "other-name"));
    await symlink("target", join(root, "link"));
    await symlink("missing/x", join(root, "dangling"));
    expect((await put(join(root, "link"), "new")).status).toBe(200);
    expect((await put(join(root, "dangling"), "made")).status).toBe(201);
    expect(await readlink(join(root, "link"))).toBe("target");
    expect(await readFile(join(root, "target"), "utf8")).toBe("new");
    expect(await readFile(join(root, "other-name"), "utf8")).toBe("old");
    expect(await readFile(join(root, "missing/x"), "utf8")).toBe("made");
  });

  test("with conditions changes only what is as expected", async () => {
    const path = join(root, "a");
    await expectProblem(await put(path, "x", "", { "If-Match": "*" }), 412, { reason: "precondition_failed" });
    const made = await put(path, "one", "", { "If-None-Match": "*" });
    expect(made.status).toBe(201);
    const first = made.headers.get("etag") ?? "";
    await expectProblem(await put(path, "two", "", { "If-None-Match": "*" }), 412);
    const second = await put(path, "two", "", { "If-Match": first });
    expect(second.status).toBe(200);
    await expectProblem(await put(path, "three", "", { "If-Match": first }), 412, {
      detail: expect.stringContaining(second.headers.get("etag") ?? "none"),
    });
    await expectProblem(await put(path, "three", "", { "If-None-Match": second.headers.get("etag") ?? "" }), 412);
    expect(await readFile(path, "utf8")).toBe("two");
    // Bytes written by others count too.
    await writeFile(path, "ten");
    await expectProblem(await put(path, "three", "", { "If-Match": second.headers.get("etag") ?? "" }), 412);
  });

  test("of many at once with one ETag succeeds once", async () => {
    const path = join(root, "a");
    const etag = (await put(path, "0")).headers.get("etag") ?? "";
    const answers = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => (await put(path, String(index), "", { "If-Match": etag })).status),
    );
    expect(answers.filter((status) => status === 200)).toHaveLength(1);
    expect(answers.filter((status) => status === 412)).toHaveLength(11);
    const fresh = await Promise.all(
      Array.from({ length: 12 }, async () => (await put(join(root, "n"), "x", "", { "If-None-Match": "*" })).status),
    );
    expect(fresh.filter((status) => status === 201)).toHaveLength(1);
    expect(fresh.filter((status) => status === 412)).toHaveLength(11);
  });

  test("appends all of a body at once, whoever else does", async () => {
    const path = join(root, "log");
    expect((await put(path, "first\n", "?append=1")).status).toBe(201);
    const lines = Array.from({ length: 20 }, (_, index) => `${String(index).repeat(30_000)}\n`);
    await Promise.all(lines.map(async (line) => expect((await put(path, line, "?append=1")).status).toBe(200)));
    const content = await readFile(path, "utf8");
    expect(content.trimEnd().split("\n").toSorted()).toEqual(["first", ...lines.map((line) => line.trim())].toSorted());
    await expectOnly("log");
  });

  test("takes gzip, digests and durability", async () => {
    const path = join(root, "a");
    const text = "compressed ".repeat(1000);
    const zipped = gzipSync(text);
    const headers = { "Content-Encoding": "gzip", "Content-Digest": sha256(zipped), "Repr-Digest": sha256(text) };
    expect((await put(path, zipped, "?durable=1", headers)).status).toBe(201);
    expect(await readFile(path, "utf8")).toBe(text);
    const wrong = { "Content-Digest": sha256("other") };
    await expectProblem(await put(path, "x", "", wrong), 422, { reason: "digest_mismatch" });
    await expectProblem(await put(path, "x", "?append=1", wrong), 422, { reason: "digest_mismatch" });
    await expectProblem(await put(path, "x", "", { Digest: "SHA-256=AAAA" }), 400);
    await expectProblem(await put(path, "x", "", { "Content-Encoding": "br" }), 400);
    await expectProblem(await put(path, zipped.subarray(0, 20), "", { "Content-Encoding": "gzip" }), 400);
    expect(await readFile(path, "utf8")).toBe(text);
    const old = createHash("sha256").update("y").digest("base64");
    expect((await put(path, "y", "?durable=1", { Digest: `SHA-256=${old}` })).status).toBe(200);
    expect((await put(join(root, "deep/er/b"), "z", "?durable=1")).status).toBe(201);
    expect((await put(path, "+", "?durable=1&append=1")).status).toBe(200);
    expect(await readFile(path, "utf8")).toBe("y+");
    await expectOnly("a", "deep");
  });

  test("of curl, which asks before it sends", async () => {
    const file = join(root, "source");
    await writeFile(file, Buffer.alloc(2 * MIB, "x"));
    const url = `${server.url}/v1/files${root}/uploaded`;
    const { stdout } = await run("curl", ["-sS", "-T", file, "-H", "Expect: 100-continue", url]);
    expect(JSON.parse(stdout)).toMatchObject({ path: `${root}/uploaded`, size: 2 * MIB, etag: expect.any(String) });
    const refused = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "If-None-Match: *"];
    expect((await run("curl", [...refused, "-T", file, url])).stdout).toBe("412");
  });

  test("refuses what is no file, and what is no way to write one", async () => {
    await OWN_FILE_ACCESS.makeFifo(join(root, "fifo"), 0o666);
    await writeFile(join(root, "file"), "x");
    await expectProblem(await put(join(root, "fifo"), "x"), 400, { reason: "not_regular_file" });
    await expectProblem(await put("/dev/null", "x"), 400, { reason: "not_regular_file" });
    await expectProblem(await put(root, "x"), 400, { reason: "is_directory" });
    await expectProblem(await put(`${root}/new/`, "x"), 400, { reason: "is_directory" });
    await expectProblem(await put(join(root, "file/x"), "x"), 409, { code: "failed_precondition" });
    await expectProblem(await put(join(root, "x".repeat(256)), "x"), 400);
    await expectProblem(await put(`${root}${"/long-name".repeat(450)}`, "x"), 400);
    await expectProblem(await put(join(root, "a"), "x", "", { "Content-Range": "bytes 0-0/1" }), 400);
    await expectProblem(await put(join(root, "a"), "x", "?append=perhaps"), 400);
    await expectOnly("fifo", "file");
  });

  test("writes in place what cannot be replaced, and says so", async (context) => {
    const [path, source] = [join(root, "mounted"), join(root, "source")];
    await writeFile(path, "");
    await writeFile(source, "old");
    try {
      await run("mount", ["--bind", source, path]);
    } catch {
      return context.skip();
    }
    try {
      for (const body of ["new", "x".repeat(400 * KIB)]) {
        const response = await put(path, body, "?durable=1");
        expect([response.status, ((await response.json()) as { atomic: boolean }).atomic]).toEqual([200, false]);
        expect(await readFile(source, "utf8")).toBe(body);
      }
    } finally {
      await run("umount", [path]);
    }
    await expectOnly("mounted", "source");
  });

  test("works on a file system of its own, and leaves nothing when that is full", async (context) => {
    await using disk = await smallDisk("size=2m");
    if (!disk) return context.skip();
    const path = join(disk.path, "dir/a");
    const bytes = Buffer.alloc(MIB, "a");
    expect((await put(path, bytes)).status).toBe(201);
    await expectProblem(await put(path, Buffer.alloc(1200 * KIB)), 507, { reason: "no_space" });
    await expectProblem(await put(join(disk.path, "dir/b"), Buffer.alloc(3 * MIB)), 507);
    await expectProblem(await put(path, Buffer.alloc(1200 * KIB), "?append=1"), 507);
    expect((await readFile(path)).equals(bytes)).toBe(true);
    expect(await readdir(join(disk.path, "dir"))).toEqual(["a"]);
    const part = await client.patch(join(disk.path, "c"), Buffer.alloc(3 * MIB), `bytes 0-${3 * MIB - 1}/*`);
    await expectProblem(part, 507);
    // What came of the part is there, to go on from.
    expect(statSync(join(disk.path, "c")).size).toBeGreaterThan(0);
    await rm(join(disk.path, "c"));
    expect((await put(path, "small again")).status).toBe(200);
  });

  test.runIf(isRoot)("gives new files and directories to the user who asks", async () => {
    const path = join(root, "mine/a");
    expect(await (await put(path, "x", "?user=nobody")).json()).toMatchObject({ owner: "nobody" });
    expect([statSync(join(root, "mine")).uid, statSync(path).uid]).toEqual([65_534, 65_534]);
    const basic = { Authorization: `Basic ${Buffer.from("nobody:").toString("base64")}` };
    await put(join(root, "b"), "x", "", basic);
    expect(statSync(join(root, "b")).uid).toBe(65_534);
    await put(path, "y", "?user=root");
    expect(statSync(path).uid).toBe(65_534);
    await expectProblem(await put(path, "z", "?user=no-such-user"), 401, { reason: "user_unknown" });
  });
});
