import { describe, expect, test } from "vitest";
import { MarkedStream } from "../../../src/kernels/marked-stream.ts";

const NONCE = "abcdef0123456789";
const marker = (content: number | string, nonce = NONCE): string => `\0\x1b]K;${nonce};${content}\x07`;

/** What a stream was found to hold: neighbouring texts joined, as a list of texts, `#n` and `|`. */
function scan(pieces: readonly Buffer[]): string[] {
  const stream = new MarkedStream({ nonce: NONCE });
  const found: string[] = [];
  let text = "";
  const endText = (): void => {
    if (text !== "") found.push(text);
    text = "";
  };
  for (const piece of pieces) {
    for (const part of stream.push(piece)) {
      if ("text" in part) {
        expect(part.text.length).toBeGreaterThan(0);
        text += part.text.toString("latin1");
        continue;
      }
      endText();
      found.push("barrier" in part ? `#${part.barrier}` : "|");
    }
  }
  text += stream.end().toString("latin1");
  endText();
  return found;
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

describe("markers", () => {
  const input = bytes(`one${marker(1)}two\0three${marker("")}${marker(2)}${marker(300)}four\n`);
  const parts = ["one", "#1", "two\0three", "|", "#2", "#300", "four\n"];

  test("are found wherever the bytes are cut in three", () => {
    for (let one = 0; one <= input.length; one += 1) {
      for (let two = one; two <= input.length; two += 1) {
        expect(scan([input.subarray(0, one), input.subarray(one, two), input.subarray(two)])).toEqual(parts);
      }
    }
  });

  test("are found byte by byte out of one buffer that is used again", () => {
    const stream = new MarkedStream({ nonce: NONCE });
    const reused = Buffer.alloc(1);
    const found: string[] = [];
    for (const byte of input) {
      reused[0] = byte;
      for (const part of stream.push(reused)) {
        found.push("text" in part ? part.text.toString("latin1") : "barrier" in part ? `#${part.barrier}` : "|");
      }
    }
    expect(found.join("")).toBe(parts.join(""));
  });

  test("may follow each other without text", () => {
    expect(scan([bytes(marker(1) + marker(2) + marker(""))])).toEqual(["#1", "#2", "|"]);
  });

  test("are found right after something that began like one", () => {
    for (const beginning of [
      "\0",
      "\0\x1b",
      "\0\x1b]K;",
      `\0\x1b]K;${NONCE}`,
      `\0\x1b]K;${NONCE};`,
      `\0\x1b]K;${NONCE};12`,
    ]) {
      const text = beginning + marker(7);
      for (let at = 0; at <= text.length; at += 1) {
        expect(scan([bytes(text.slice(0, at)), bytes(text.slice(at))])).toEqual([beginning, "#7"]);
      }
    }
  });

  test("may have numbers as large as a program can count", () => {
    expect(scan([bytes(marker(9_007_199_254_740_991))])).toEqual(["#9007199254740991"]);
  });
});

describe("what only looks like a marker is text", () => {
  test.each([
    ["another nonce", marker(1, "0000000000000000")],
    ["a nonce that is longer", marker(1, `${NONCE}0`)],
    ["letters for a number", marker("x1")],
    ["a number below zero", marker("-1")],
    ["a fraction", marker("1.5")],
    ["blanks", marker(" 1")],
    ["a number without end", `\0\x1b]K;${NONCE};12345678901234567890\x07`],
    ["no bell", `\0\x1b]K;${NONCE};1 and so on and so on and so on`],
    ["no NUL", marker(1).slice(1)],
    ["another terminal sequence", "\0\x1b]0;title\x07"],
  ])("%s, however it is cut", (_name, fake) => {
    const text = `before${fake}after`;
    for (let at = 0; at <= text.length; at += 1) {
      expect(scan([bytes(text.slice(0, at)), bytes(text.slice(at))])).toEqual([text]);
    }
  });

  test("every byte value comes through unchanged, NULs too", () => {
    const all = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
    expect(scan([all])).toEqual([all.toString("latin1")]);
    expect(scan([Buffer.alloc(100_000)])).toEqual(["\0".repeat(100_000)]);
  });

  test("the beginning of one at the end of everything is text", () => {
    for (let length = 1; length < marker(12).length; length += 1) {
      expect(scan([bytes(`x${marker(12).slice(0, length)}`)])).toEqual([`x${marker(12).slice(0, length)}`]);
    }
  });
});

describe("holding back", () => {
  test("is limited to what may still become a marker", () => {
    const stream = new MarkedStream({ nonce: NONCE });
    const texts = (piece: string): string =>
      [...stream.push(bytes(piece))].map((part) => ("text" in part ? part.text.toString("latin1") : "#")).join("");
    expect(texts("prompt> ")).toBe("prompt> ");
    expect(texts("a\0")).toBe("a");
    expect(texts("b")).toBe("\0b");
    expect(texts(`c\0\x1b]K;${NONCE};1`)).toBe("c");
    expect(texts("x")).toBe(`\0\x1b]K;${NONCE};1x`);
  });
});

/** Milliseconds to look through 8 MiB of pieces of `byte`. */
function scanMs(byte: number): number {
  const stream = new MarkedStream({ nonce: NONCE });
  const piece = Buffer.alloc(64 * 1024, byte);
  const began = performance.now();
  let scanned = 0;
  for (let index = 0; index < 128; index += 1) {
    for (const part of stream.push(piece)) scanned += "text" in part ? part.text.length : 0;
  }
  expect(scanned + stream.end().length).toBe(128 * piece.length);
  return performance.now() - began;
}

describe("zeros", () => {
  test("are looked through about as fast as other text", () => {
    scanMs(0x78);
    expect(scanMs(0)).toBeLessThan(20 * (scanMs(0x78) + 5));
  });
});
