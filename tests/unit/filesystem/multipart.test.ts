import { expect, test } from "vitest";
import { readParts } from "../../../src/edge/multipart.ts";
import { collect } from "./bodies.ts";

const TYPE = "multipart/form-data; boundary=abc";

interface Seen {
  name: string | undefined;
  filename: string | undefined;
  content: string;
}

async function* chunked(text: string, cuts: readonly number[]): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text, "latin1");
  for (const [index, from] of [0, ...cuts].entries()) yield bytes.subarray(from, cuts[index] ?? bytes.length);
}

async function parse(text: string, options: { cuts?: readonly number[]; type?: string } = {}): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { name, filename, body } of readParts(chunked(text, options.cuts ?? []), options.type ?? TYPE)) {
    seen.push({ name, filename, content: (await collect(body)).toString("latin1") });
  }
  return seen;
}

function part(disposition: string, content: string, more = ""): string {
  return `--abc\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${content}\r\n`;
}

const FORM =
  "a preamble\r\n" +
  part('form-data; name="file"; filename="/tmp/a.txt"', "one\r\n--ab\r\n--abcd two", "Content-Type: text/plain\r\n") +
  part('form-data; name="other"', "") +
  part('form-data; name="file"', "\r\n\r\n--") +
  "--abc--\r\nan epilogue";

const PARSED = [
  { name: "file", filename: "/tmp/a.txt", content: "one\r\n--ab\r\n--abcd two" },
  { name: "other", filename: undefined, content: "" },
  { name: "file", filename: undefined, content: "\r\n\r\n--" },
];

test("reads names, filenames with directories and contents, with or without filename", async () => {
  expect(await parse(FORM)).toEqual(PARSED);
});

test("reads the same however the body is cut into chunks", async () => {
  for (let cut = 0; cut <= FORM.length; cut += 1)
    expect(await parse(FORM, { cuts: [cut] }), `cut ${cut}`).toEqual(PARSED);
  const everyByte = Array.from({ length: FORM.length - 1 }, (_, index) => index + 1);
  expect(await parse(FORM, { cuts: everyByte })).toEqual(PARSED);
});

test("treats a body that ends anywhere before its last boundary as an error", async () => {
  const end = FORM.indexOf("--abc--") + "--abc--".length;
  for (let length = 0; length < end; length += 1) {
    await expect(parse(FORM.slice(0, length)), `length ${length}`).rejects.toMatchObject({
      code: "internal",
      message: "error reading form: unexpected EOF",
    });
  }
  expect(await parse(FORM.slice(0, end))).toEqual(PARSED);
});

test("skips what a reader leaves of a part", async () => {
  const names: (string | undefined)[] = [];
  for await (const { name, body } of readParts(chunked(FORM, [40, 100, 120]), TYPE)) {
    names.push(name);
    for await (const _ of body) break;
  }
  expect(names).toEqual(["file", "other", "file"]);
});

test("closes the body when the reader stops", async () => {
  let isClosed = false;
  const body = async function* (): AsyncGenerator<Buffer> {
    try {
      yield Buffer.from(FORM);
    } finally {
      isClosed = true;
    }
  };
  for await (const _ of readParts(body(), TYPE)) break;
  expect(isClosed).toBe(true);
});

test.each([
  ['form-data; name="file"; filename="a b.txt"', "a b.txt"],
  ["form-data; name=file; filename=plain.txt", "plain.txt"],
  [String.raw`form-data; name="file"; filename="a\"b\\c\d.txt"`, String.raw`a"b\c\d.txt`],
  ['form-data; name="file"; filename="%22quoted%22%0A.txt"', "%22quoted%22%0A.txt"],
  ['form-data; name="file"; filename="x"; filename*=utf-8\'\'%E6%96%87%2Fdir.txt', "文/dir.txt"],
  ["form-data; name=\"file\"; filename*=iso-8859-1'en'%E4.txt", "ä.txt"],
  ['form-data; name="file"; filename="kept"; filename*=utf-8\'\'%FF', "kept"],
  ['form-data; name="file"; filename=""', undefined],
  ['FORM-DATA; NAME="file"; FileName="x"', "x"],
])("reads the filename of %s", async (disposition, filename) => {
  const [seen] = await parse(`${part(disposition, "x")}--abc--`);
  expect(seen).toEqual({ name: "file", filename, content: "x" });
});

test("reads a filename in UTF-8 as browsers send it", async () => {
  const bytes = Buffer.from('form-data; name="file"; filename="文件.txt"').toString("latin1");
  expect(await parse(`${part(bytes, "x")}--abc--`)).toMatchObject([{ filename: "文件.txt" }]);
});

test("takes no name from a part that is not form data", async () => {
  expect(await parse(`${part('attachment; name="file"', "x")}--abc--`)).toMatchObject([{ name: undefined }]);
  expect(await parse(`--abc\r\n\r\nx\r\n--abc--`)).toMatchObject([{ name: undefined, content: "x" }]);
});

test("takes a quoted boundary, spaces after it, and no parts at all", async () => {
  const type = 'multipart/mixed; boundary="a b"';
  expect(
    await parse('--a b  \r\nContent-Disposition: form-data; name="n"\r\n\r\nx\r\n--a b--', { type }),
  ).toMatchObject([{ name: "n", content: "x" }]);
  expect(await parse("--abc--\r\n")).toEqual([]);
});

test.each([
  ["multipart/form-data", "", "error parsing multipart form: no multipart boundary param in Content-Type"],
  [TYPE, "--abc\r\nno colon\r\n\r\nx\r\n--abc--", "error reading form: malformed part header"],
  [TYPE, `--abc\r\nX: ${"y".repeat(20_000)}`, "error reading form: part headers are too long"],
])("refuses what is no form (%#)", async (type, text, message) => {
  await expect(parse(text, { type })).rejects.toMatchObject({ code: "internal", message });
});
