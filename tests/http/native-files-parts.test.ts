import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../src/host/own-file-access.ts";
import { expectProblem, NativeFiles, sha256 } from "../helpers/native-files.ts";
import type { TestServer } from "../unit/filesystem/server.ts";
import { onFileServer } from "./file-server.ts";

let server: TestServer;
let root: string;
onFileServer((place) => {
  ({ server, root } = place);
});

const client = new NativeFiles(() => server.url);
const patch = client.patch.bind(client);

describe("PATCH", () => {
  test("uploads a file in parts, and tells where to go on", async () => {
    const path = join(root, "new/a");
    const whole = Buffer.from("0123456789abcdefghij");
    await expectProblem(await patch(path, "56789", "bytes 5-9/20"), 416, { reason: "range_not_satisfiable" });
    const first = await patch(path, whole.subarray(0, 8), "bytes 0-7/20");
    expect(first.status).toBe(201);
    const gap = await patch(path, whole.subarray(10), "bytes 10-19/20");
    expect([gap.status, gap.headers.get("content-range")]).toEqual([416, "bytes */8"]);
    // A part that comes again, and one that overlaps, do no harm.
    expect((await patch(path, whole.subarray(4, 12), "bytes 4-11/20")).status).toBe(200);
    const last = await patch(path, whole.subarray(12), "bytes 12-19/20", { "Repr-Digest": sha256(whole) });
    expect([last.status, await readFile(path, "utf8")]).toEqual([200, whole.toString()]);
    expect((await client.request("HEAD", path)).headers.get("etag")).toBe(last.headers.get("etag"));
  });

  test("with a digest that is wrong leaves what was there", async () => {
    const path = join(root, "a");
    await patch(path, "01234", "bytes 0-4/10");
    const wrong = { "Repr-Digest": sha256("0123456789x") };
    await expectProblem(await patch(path, "56789", "bytes 5-9/10", wrong), 422, { reason: "digest_mismatch" });
    const wrongBody = { "Content-Digest": sha256("5678x") };
    await expectProblem(await patch(path, "56789", "bytes 5-9/10", wrongBody), 422, { reason: "digest_mismatch" });
    expect(await readFile(path, "utf8")).toBe("01234");
    await expectProblem(await patch(join(root, "b"), "x", "bytes 0-0/1", wrong), 422);
    const right = { "Repr-Digest": sha256("0xx34"), "Content-Digest": sha256("xx") };
    expect((await patch(path, "xx", "bytes 1-2/*", right)).status).toBe(200);
    expect(await readFile(path, "utf8")).toBe("0xx34");
    expect(await readdir(root)).toEqual(["a"]);
    expect(await readdir(server.files.spool)).toEqual([]);
  });

  test("cuts off what is behind the end that it reaches", async () => {
    const path = join(root, "a");
    await writeFile(path, "much longer than before");
    expect((await patch(path, "0123", "bytes 0-3/8")).status).toBe(200);
    expect(await readFile(path, "utf8")).toBe("0123 longer than before");
    expect((await patch(path, "4567", "bytes 4-7/8")).status).toBe(200);
    expect(await readFile(path, "utf8")).toBe("01234567");
  });

  test("refuses parts that cannot be", async () => {
    const path = join(root, "a");
    await writeFile(path, "old");
    for (const range of ["bytes 3-1/9", "bytes 0-9/5", "items 0-1/2", "bytes */5", "0-2/3", ""]) {
      await expectProblem(await patch(path, "xyz", range), 400, { detail: expect.stringContaining("Content-Range") });
    }
    await expectProblem(await patch(path, "xyz", "bytes 0-9/*"), 400, { detail: expect.stringContaining("3") });
    const zipped = { "Content-Encoding": "gzip" };
    await expectProblem(await patch(path, "xyz", "bytes 0-2/*", zipped), 400);
    await expectProblem(await patch(path, "xyz", "bytes 0-2/*", { "If-Match": '"other"' }), 412);
    expect(await readFile(path, "utf8")).toBe("old");
    await expectProblem(await patch("/dev/null", "xyz", "bytes 0-2/*"), 400, { reason: "not_regular_file" });
    await expectProblem(await patch(root, "xyz", "bytes 0-2/*"), 400, { reason: "is_directory" });
  });

  test("of many at once with one ETag is written once", async () => {
    const path = join(root, "a");
    const etag = (await client.put(path, "00000000")).headers.get("etag") ?? "";
    const letters = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const statuses = await Promise.all(
      letters.map(async (letter) => {
        const { status } = await patch(path, letter.repeat(8), "bytes 0-7/*", { "If-Match": etag });
        return { letter, status };
      }),
    );
    const written = statuses.filter(({ status }) => status === 200);
    expect(written).toHaveLength(1);
    expect(statuses.filter(({ status }) => status === 412)).toHaveLength(7);
    expect(await readFile(path, "utf8")).toBe(written[0]?.letter.repeat(8));
    await expectProblem(await patch(path, "x", "bytes 0-0/*", { "If-None-Match": "*" }), 412);
    expect((await patch(join(root, "b"), "x", "bytes 0-0/1", { "If-None-Match": "*" })).status).toBe(201);
  });

  test("keeps owner, mode, attributes and inode", async () => {
    const path = join(root, "a");
    await writeFile(path, "0123", { mode: 0o640 });
    await OWN_FILE_ACCESS.writeAttribute(path, "user.color", Buffer.from("blue"));
    const before = await stat(path);
    await patch(path, "xx", "bytes 1-2/*");
    expect(await stat(path)).toMatchObject({ ino: before.ino, mode: before.mode, size: 4 });
    expect(await OWN_FILE_ACCESS.listAttributes(path)).toContain("user.color");
  });
});
