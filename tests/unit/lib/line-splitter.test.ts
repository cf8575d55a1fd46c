import { expect, test } from "vitest";
import { LineSplitter } from "../../../src/lib/line-splitter.ts";

function split(pieces: readonly Uint8Array[], maxLineBytes = 1000): { lines: string[]; tooLong: number } {
  let tooLong = 0;
  const splitter = new LineSplitter({ maxLineBytes, onTooLong: () => (tooLong += 1) });
  const lines = pieces.flatMap((piece) => [...splitter.push(piece)]);
  return { lines, tooLong };
}

const TEXT = Buffer.from("first\n\nzweite Zeile: äöü €\n😀 third\nrest");
const LINES = ["first", "", "zweite Zeile: äöü €", "😀 third"];

test("gives the same lines however the bytes are cut in three", () => {
  for (let one = 0; one <= TEXT.length; one += 1) {
    for (let two = one; two <= TEXT.length; two += 1) {
      const pieces = [TEXT.subarray(0, one), TEXT.subarray(one, two), TEXT.subarray(two)];
      expect(split(pieces).lines).toEqual(LINES);
    }
  }
});

test("gives the same lines byte by byte out of one buffer that is used again", () => {
  const splitter = new LineSplitter({ maxLineBytes: 1000 });
  const reused = Buffer.alloc(1);
  const lines: string[] = [];
  for (const byte of TEXT) {
    reused[0] = byte;
    lines.push(...splitter.push(reused));
  }
  expect(lines).toEqual(LINES);
});

test("keeps a carriage return and NUL bytes", () => {
  expect(split([Buffer.from("a\r\nb\0c\n")]).lines).toEqual(["a\r", "b\0c"]);
});

test("a line as long as allowed is kept, one byte more is left out and told once", () => {
  const text = Buffer.from(`${"x".repeat(10)}\n${"y".repeat(11)}\n${"z".repeat(10)}\n`);
  for (let at = 0; at <= text.length; at += 1) {
    const result = split([text.subarray(0, at), text.subarray(at)], 10);
    expect(result).toEqual({ lines: ["x".repeat(10), "z".repeat(10)], tooLong: 1 });
  }
});

test("a line that is far too long in many pieces is left out once, and the next one is whole", () => {
  const pieces = [...Array.from({ length: 50 }, () => Buffer.alloc(100, "x")), Buffer.from("tail\nnext\n")];
  expect(split(pieces, 64)).toEqual({ lines: ["next"], tooLong: 1 });
});

test("counts bytes, not characters", () => {
  expect(split([Buffer.from("€€€\n")], 8)).toEqual({ lines: [], tooLong: 1 });
  expect(split([Buffer.from("€€€\n")], 9).lines).toEqual(["€€€"]);
});

test("an unfinished line is no line", () => {
  expect(split([Buffer.from("never ended")]).lines).toEqual([]);
});
