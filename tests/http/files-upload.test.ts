import { existsSync, statSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { isRoot, type TestServer } from "../unit/filesystem/server.ts";
import { onFileServer } from "./file-server.ts";
import { expectError, OCTETS, post } from "./upload-client.ts";

const MIB = 1024 * 1024;

let server: TestServer;
let root: string;
onFileServer(
  (place) => {
    ({ server, root } = place);
  },
  { makesRoot: false },
);

function form(...files: [filename: string, content: string | Blob][]): FormData {
  const data = new FormData();
  for (const [filename, content] of files) data.append("file", new Blob([content]), filename);
  return data;
}

function rawPart(path: string): string {
  return `--abc\r\nContent-Disposition: form-data; name="file"; filename="${path}"\r\n\r\nnew`;
}

describe("forms", () => {
  test("one file goes where the query says, with its parents", async () => {
    const path = join(root, "a/b/hello.txt");
    const response = await post(server, { path }, { body: form([path, "hello"]) });
    expect(response.headers.get("content-type")).toContain("application/json");
    expect([response.status, await response.json()]).toEqual([200, [{ name: "hello.txt", path, type: "file" }]]);
    expect(await readFile(path, "utf8")).toBe("hello");
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(statSync(join(root, "a")).mode & 0o777).toBe(0o755);
  });

  test("several files go where their filenames say", async () => {
    const paths = ["a/1.txt", "b/2.txt", "文/3 ä.txt"].map((name) => join(root, name));
    const body = form(...paths.map((path, index): [string, string] => [path, `content ${index}`]));
    const response = await post(server, {}, { body });
    expect(await response.json()).toEqual(paths.map((path) => ({ name: path.split("/").at(-1), path, type: "file" })));
    expect(await Promise.all(paths.map((path) => readFile(path, "utf8")))).toEqual([
      "content 0",
      "content 1",
      "content 2",
    ]);
  });

  test("empty files and large files arrive whole", async () => {
    const large = "0123456789abcdef".repeat((5 * MIB) / 16);
    const response = await post(server, {}, { body: form([join(root, "empty"), ""], [join(root, "large"), large]) });
    expect(response.status).toBe(200);
    expect(await readFile(join(root, "empty"), "utf8")).toBe("");
    expect((await readFile(join(root, "large"), "utf8")) === large).toBe(true);
  });

  test("parts of other names are left out, no parts are no files", async () => {
    const data = form([join(root, "a"), "x"]);
    data.append("note", "about it");
    data.append("other", new Blob(["y"]), join(root, "b"));
    expect(await (await post(server, {}, { body: data })).json()).toHaveLength(1);
    expect(existsSync(join(root, "b"))).toBe(false);
    const none = new FormData();
    none.append("note", "only this");
    const response = await post(server, {}, { body: none });
    expect([response.status, await response.json()]).toEqual([200, []]);
  });

  test("a part without filename needs a path", async () => {
    const data = new FormData();
    data.append("file", "text");
    const path = join(root, "a");
    expect((await post(server, { path }, { body: data })).status).toBe(200);
    expect(await readFile(path, "utf8")).toBe("text");
    await expectError(
      await post(server, {}, { body: data }),
      400,
      "error getting multipart custom part file name: filename not found in Content-Disposition header",
    );
  });

  test("a second file of one path is refused, the ones before it stay", async () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => join(root, name)) as [string, string, string];
    await expectError(
      await post(server, {}, { body: form([a, "1"], [a, "2"]) }),
      400,
      `you cannot upload multiple files to the same path '${a}' in one upload request, only the first specified file was uploaded`,
    );
    const response = await post(server, {}, { body: form([a, "3"], [b, "4"], [c, "5"], [a, "6"]) });
    expect(await response.json()).toMatchObject({
      message: expect.stringMatching(new RegExp(`, also the following files were uploaded: ${b}, ${c}$`)),
    });
    expect(await readFile(a, "utf8")).toBe("3");
  });

  test("a form that ends too early leaves its last file as it was", async () => {
    const [a, b] = [join(root, "a"), join(root, "b")];
    await post(server, {}, { body: form([b, "old"]) });
    const response = await post(
      server,
      {},
      {
        headers: { "Content-Type": "multipart/form-data; boundary=abc" },
        body: `${rawPart(a)}\r\n${rawPart(b)}\r\n--ab`,
      },
    );
    await expectError(response, 500, "error reading form: unexpected EOF");
    expect([await readFile(a, "utf8"), await readFile(b, "utf8")]).toEqual(["new", "old"]);
  });

  test("one without a boundary is refused", async () => {
    const response = await post(server, {}, { headers: { "Content-Type": "multipart/form-data" }, body: "x" });
    await expectError(response, 500, "error parsing multipart form: no multipart boundary param in Content-Type");
  });

  test.each([
    'a "quoted" name',
    "back\\slash",
    "new\nline",
    "äöü 文件 🎉",
    "x".repeat(255),
    "%41%00",
    " lead",
    "tab\t",
  ])("the name %j in the query is taken as it is", async (name) => {
    const path = join(root, name);
    const response = await post(server, { path }, { body: form(["ignored", "content"]) });
    expect(await response.json()).toEqual([{ name, path, type: "file" }]);
    expect(await readdir(root)).toEqual([name]);
  });
});

describe("raw bodies", () => {
  test("are the file", async () => {
    const path = join(root, "a.bin");
    const bytes = Buffer.alloc(3 * MIB + 5, "abc");
    const response = await post(server, { path }, { headers: OCTETS, body: bytes });
    expect(await response.json()).toEqual([{ name: "a.bin", path, type: "file" }]);
    expect((await readFile(path)).equals(bytes)).toBe(true);
    await post(server, { path }, { headers: OCTETS, body: "" });
    expect(statSync(path).size).toBe(0);
  });

  test("may come in chunks of unknown number", async () => {
    const path = join(root, "a");
    const body = new ReadableStream({
      start(controller) {
        for (const text of ["one ", "two ", "three"]) controller.enqueue(Buffer.from(text));
        controller.close();
      },
    });
    const response = await post(server, { path }, { headers: OCTETS, body, duplex: "half" });
    expect(response.status).toBe(200);
    expect(await readFile(path, "utf8")).toBe("one two three");
  });

  test("need a path and a type we know", async () => {
    await expectError(
      await post(server, {}, { headers: OCTETS, body: "x" }),
      400,
      "path query parameter is required for raw body upload",
    );
    await expectError(
      await post(server, { path: join(root, "a") }, { headers: { "Content-Type": "text/plain" }, body: "x" }),
      400,
      "unsupported content type: text/plain, expected multipart/form-data or application/octet-stream",
    );
    expect(existsSync(root)).toBe(false);
  });

  test.each(["gzip", "GZIP", "gzip;q=1.0"])("are inflated when they are %s", async (coding) => {
    const path = join(root, "a");
    const text = "compressible ".repeat(100_000);
    const headers = { ...OCTETS, "Content-Encoding": coding };
    expect((await post(server, { path }, { headers, body: gzipSync(text) })).status).toBe(200);
    expect((await readFile(path, "utf8")) === text).toBe(true);
  });

  test("that are broken gzip leave what was there", async () => {
    const path = join(root, "a");
    await post(server, { path }, { headers: OCTETS, body: "old" });
    const headers = { ...OCTETS, "Content-Encoding": "gzip" };
    const whole = gzipSync(Buffer.alloc(2 * MIB, "x"));
    for (const [body, why] of [
      [whole.subarray(0, -1), "unexpected EOF"],
      [whole.subarray(0, 500), "unexpected EOF"],
      [Buffer.from("plain text"), "failed to create gzip reader: incorrect header check"],
      [Buffer.alloc(0), "failed to create gzip reader: EOF"],
    ] as const) {
      await expectError(
        await post(server, { path }, { headers, body }),
        400,
        `error decompressing request body: ${why}`,
      );
    }
    await expectError(
      await post(server, { path }, { headers: { ...OCTETS, "Content-Encoding": "br" }, body: "x" }),
      400,
      "error decompressing request body: unsupported Content-Encoding: br, supported: [gzip]",
    );
    expect(await readFile(path, "utf8")).toBe("old");
  });

  test("carry metadata in headers", async () => {
    const path = join(root, "a");
    const headers = { ...OCTETS, "X-Metadata-Author": "me", "x-metadata-": "no key" };
    expect(await (await post(server, { path }, { headers, body: "x" })).json()).toMatchObject([
      { metadata: { author: "me" } },
    ]);
    const bad = await post(server, { path }, { headers: { ...OCTETS, "X-Metadata-K": "ä" }, body: "x" });
    await expectError(
      bad,
      400,
      'invalid metadata: metadata value for key "k" contains non-printable-ASCII byte 0xe4 at offset 0',
    );
  });
});

describe.runIf(isRoot)("as root", () => {
  test("files belong to the user of the query, new directories too", async () => {
    const path = join(root, "dir/a");
    await post(server, { path, username: "nobody" }, { headers: OCTETS, body: "x" });
    expect([statSync(path).uid, statSync(root).uid]).toEqual([65_534, 65_534]);
    await post(server, { path }, { headers: OCTETS, body: "y" });
    expect(statSync(path).uid).toBe(0);
  });

  test("the user of Basic authentication is not asked for files", async () => {
    const headers = { ...OCTETS, Authorization: `Basic ${btoa("nobody:")}` };
    const path = join(root, "a");
    await writeFile(join(server.files.root, "marker"), "");
    await post(server, { path }, { headers, body: "x" });
    expect(statSync(path).uid).toBe(0);
  });
});
