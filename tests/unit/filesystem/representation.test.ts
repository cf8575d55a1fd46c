import { expect, test } from "vitest";
import { readAcceptEncoding } from "../../../src/edge/http/accept-encoding.ts";
import { readRanges } from "../../../src/edge/http/byte-range.ts";
import { evaluateConditions } from "../../../src/edge/http/conditions.ts";
import { inlineDisposition } from "../../../src/edge/http/content-disposition.ts";
import { isCompressible, mediaType } from "../../../src/edge/http/media-type.ts";
import { type Representation, represent } from "../../../src/edge/http/representation.ts";

test.each([
  [undefined, "identity", true],
  ["", "identity", true],
  ["gzip", "gzip", true],
  ["gzip, deflate, br", "gzip", true],
  ["GZIP;Q=0.5, identity;q=0.8", "identity", true],
  ["identity;q=0.1, gzip;q=0.9", "gzip", true],
  ["br", "identity", true],
  ["*", "identity", true],
  ["gzip;q=0", "identity", true],
  ["identity;q=0", undefined, false],
  ["identity;q=0, gzip", "gzip", false],
  ["identity;q=0, *", "gzip", false],
  ["*;q=0", undefined, false],
  ["*;q=0, identity", "identity", true],
  ["*;q=0, gzip", "gzip", false],
  ["gzip;q=nonsense", "gzip", true],
])("understands Accept-Encoding %j", (header, preferred, allowsIdentity) => {
  expect(readAcceptEncoding(header)).toEqual({ preferred, allowsIdentity });
});

test.each([
  ["bytes=0-3", [{ start: 0, end: 4 }]],
  ["bytes=5-", [{ start: 5, end: 10 }]],
  ["bytes=-3", [{ start: 7, end: 10 }]],
  ["bytes=-30", [{ start: 0, end: 10 }]],
  ["bytes=8-100", [{ start: 8, end: 10 }]],
  ["Bytes = 1-1", [{ start: 1, end: 2 }]],
  ["bytes=10-", "unsatisfiable"],
  ["bytes=-0", "unsatisfiable"],
  [
    "bytes=0-1, 3-4",
    [
      { start: 0, end: 2 },
      { start: 3, end: 5 },
    ],
  ],
  ["bytes=8-, 0-0, 20-30, -1000000000000000000000", undefined],
  [
    "bytes=8-,0-0,20-30,",
    [
      { start: 8, end: 10 },
      { start: 0, end: 1 },
    ],
  ],
  ["bytes=20-30,-0", "unsatisfiable"],
  ["bytes=0-4,4-5", undefined],
  ["bytes=0-1,x", undefined],
  ["bytes=", undefined],
  [`bytes=${Array.from({ length: 101 }, () => "0-0").join(",")}`, undefined],
  ["bytes=4-2", undefined],
  ["bytes=-", undefined],
  ["lines=0-1", undefined],
  [undefined, undefined],
])("understands Range %j of ten bytes", (header, range) => {
  expect(readRanges(header, 10)).toEqual(range);
});

test("ignores a range of nothing", () => {
  expect(readRanges("bytes=0-", 0)).toBeUndefined();
});

test("a Range of spaces, digits and nothing else is read in one go", () => {
  const [spaces, digits] = [" ".repeat(130_000), "1".repeat(130_000)];
  for (const header of [spaces, digits, `${spaces}x`, `${digits}x`, `-${spaces}x`, `${spaces}${digits}`, `1${spaces}1`])
    expect(readRanges(`bytes=${header}`, 10)).toBeUndefined();
  expect(readRanges(`bytes=${spaces}1${spaces}-${spaces}2${spaces}`, 10)).toEqual([{ start: 1, end: 3 }]);
});

test.each([
  ["a.txt", "inline; filename=a.txt"],
  [".env", "inline; filename=.env"],
  ["my document.pdf", 'inline; filename="my document.pdf"'],
  ['file"name.txt', String.raw`inline; filename="file\"name.txt"`],
  ["file\\name.txt", String.raw`inline; filename="file\\name.txt"`],
  ["文 (1).txt", "inline; filename*=utf-8''%E6%96%87%20%281%29.txt"],
  ["a\nb", "inline; filename*=utf-8''a%0Ab"],
  ["100%'*ä", "inline; filename*=utf-8''100%25%27%2A%C3%A4"],
])("writes the disposition of %j", (name, header) => {
  expect(inlineDisposition(name)).toBe(header);
});

test.each([
  ["a.TXT", "", "text/plain; charset=utf-8"],
  ["a.html", "\0", "text/html; charset=utf-8"],
  ["archive.tar.gz", "", "application/gzip"],
  ["constructor", "", "text/plain; charset=utf-8"],
  ["x.constructor", "text", "text/plain; charset=utf-8"],
  ["noext", "plain text\n", "text/plain; charset=utf-8"],
  ["noext", "\u001b[31mcolour", "text/plain; charset=utf-8"],
  ["noext", "with\0zero", "application/octet-stream"],
])("takes %j holding %j for %s", (name, head, type) => {
  expect(mediaType(name, Buffer.from(head))).toBe(type);
});

test("tells text whose last looked-at character is cut off from bytes that are none", () => {
  expect(mediaType("x", Buffer.from("é".repeat(1000)))).toBe("text/plain; charset=utf-8");
  expect(mediaType("x", Buffer.from(`a${"é".repeat(1000)}`))).toBe("text/plain; charset=utf-8");
  expect(mediaType("x", Buffer.from([0xc3]))).toBe("application/octet-stream");
  expect(isCompressible("application/json")).toBe(true);
  expect(isCompressible("image/png")).toBe(false);
});

const MODIFIED = Date.parse("2024-01-02T03:04:05.678Z");
const LAST_MODIFIED = "Tue, 02 Jan 2024 03:04:05 GMT";

function answer(headers: Record<string, string>, size = 10_000, name = "a.txt"): Representation {
  const file = { name, head: Buffer.from("text"), sizeBytes: size, modifiedMs: MODIFIED, version: "v" };
  return represent(file, (header) => headers[header]);
}

test.each([
  [{ "if-none-match": '"v"' }, 304],
  [{ "if-none-match": 'W/"v", "x"' }, 304],
  [{ "if-none-match": "*" }, 304],
  [{ "if-none-match": '"x"' }, 200],
  [{ "if-none-match": '"x"', "if-modified-since": LAST_MODIFIED }, 200],
  [{ "if-modified-since": LAST_MODIFIED }, 304],
  [{ "if-modified-since": "Tue, 02 Jan 2024 03:04:04 GMT" }, 200],
  [{ "if-modified-since": "nonsense" }, 200],
  [{ "if-match": '"v"' }, 200],
  [{ "if-match": "*" }, 200],
  [{ "if-unmodified-since": LAST_MODIFIED }, 200],
  [{ range: "bytes=0-1", "if-range": '"v"' }, 206],
  [{ range: "bytes=0-1", "if-range": '"x"' }, 200],
  [{ range: "bytes=0-1", "if-range": LAST_MODIFIED }, 206],
  [{ range: "bytes=0-1", "if-range": "Tue, 02 Jan 2024 03:04:04 GMT" }, 200],
  [{ range: "bytes=0-1", "if-range": 'W/"v"' }, 200],
])("answers %j with %i", (headers, status) => {
  expect(answer(headers).status).toBe(status);
});

test.each([
  [{ "if-match": '"x"' }, "precondition_failed"],
  [{ "if-match": 'W/"v"' }, "precondition_failed"],
  [{ "if-unmodified-since": "Tue, 02 Jan 2024 03:04:04 GMT" }, "precondition_failed"],
  [{ range: "bytes=10000-" }, "range_not_satisfiable"],
  [{ "accept-encoding": "identity;q=0" }, "not_acceptable"],
  [{ "accept-encoding": "identity;q=0, gzip", range: "bytes=0-1" }, "not_acceptable"],
])("refuses %j", (headers, reason) => {
  expect(() => answer(headers)).toThrow(expect.objectContaining({ reason }));
});

test("compresses only what gains by it, unless it has to", () => {
  const gzip = { "accept-encoding": "gzip" };
  expect(answer(gzip)).toMatchObject({ coding: "gzip", headers: { "Content-Encoding": "gzip" } });
  expect(answer(gzip).headers["ETag"]).toBeUndefined();
  expect(answer(gzip, 100).coding).toBe("identity");
  expect(answer(gzip, 10_000, "a.png").coding).toBe("identity");
  expect(answer({ "accept-encoding": "gzip, identity;q=0" }, 100, "a.png").coding).toBe("gzip");
  expect(answer({ ...gzip, range: "bytes=0-1" })).toMatchObject({ coding: "identity", status: 206 });
});

test("has no state to compare with for content that is made up as it is read", () => {
  const file = { name: "x", head: Buffer.alloc(0), sizeBytes: undefined, modifiedMs: 0, version: undefined };
  const made = represent(file, (name) => ({ range: "bytes=0-1", "if-none-match": '"v"' })[name]);
  expect(made).toMatchObject({ status: 200, pieces: undefined });
  expect(Object.keys(made.headers)).toEqual(["Content-Type", "Content-Disposition"]);
  expect(
    evaluateConditions((name) => ({ "if-match": '"v"' })[name], { etag: undefined, lastModifiedMs: undefined }),
  ).toBe("failed");
});
