import { describe, expect, test } from "vitest";
import { Utf8Decoder } from "../../../src/lib/utf8-decoder.ts";

function decode(pieces: readonly Buffer[]): { text: string; isLossy: boolean; texts: string[] } {
  const decoder = new Utf8Decoder();
  const parts = [...pieces.map((piece) => decoder.push(piece)), decoder.end()];
  const texts = parts.map(({ text }) => text);
  return { text: texts.join(""), isLossy: parts.some(({ isLossy }) => isLossy), texts };
}

/** A small generator with a fixed seed: the same bytes in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const TEXT = "aä€😀\u{10FFFF}\u2028\uFEFFz\0";

describe("text that is UTF-8", () => {
  test("comes out whole however it is cut in three", () => {
    const bytes = Buffer.from(TEXT);
    for (let one = 0; one <= bytes.length; one += 1) {
      for (let two = one; two <= bytes.length; two += 1) {
        const pieces = [bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)];
        expect(decode(pieces)).toMatchObject({ text: TEXT, isLossy: false });
      }
    }
  });

  test("appears with the last byte of each character, not later", () => {
    const decoder = new Utf8Decoder();
    const texts = [...Buffer.from("a€😀")].map((byte) => decoder.push(Buffer.of(byte)).text);
    expect(texts).toEqual(["a", "", "", "€", "", "", "", "😀"]);
    expect(decoder.heldBytes).toBe(0);
  });

  test("says how many bytes of an unfinished character it holds", () => {
    const decoder = new Utf8Decoder();
    decoder.push(Buffer.from("x😀").subarray(0, 4));
    expect(decoder.heldBytes).toBe(3);
  });

  test("keeps its own copy of what it holds", () => {
    const decoder = new Utf8Decoder();
    const reused = Buffer.from([0xe2, 0x82]);
    decoder.push(reused);
    reused.fill(0);
    expect(decoder.push(Buffer.of(0xac)).text).toBe("€");
  });
});

describe("bytes that are no UTF-8", () => {
  test.each([
    ["a stray continuation byte", [0x61, 0x80, 0x62]],
    ["a byte that never occurs", [0x61, 0xff, 0x62]],
    ["an overlong encoding", [0xc0, 0xaf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a number beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
    ["a character that is broken off by a letter", [0xe2, 0x82, 0x41]],
    ["a character that the end breaks off", [0x61, 0xf0, 0x9f, 0x98]],
  ])("%s is lossy and decodes as the standard says, however it is cut", (_name, bytes) => {
    const all = Buffer.from(bytes);
    const standard = new TextDecoder("utf-8", { ignoreBOM: true }).decode(all);
    for (let at = 0; at <= all.length; at += 1) {
      expect(decode([all.subarray(0, at), all.subarray(at)])).toMatchObject({ text: standard, isLossy: true });
    }
  });

  test("a replacement character that was really written is not lossy", () => {
    expect(decode([Buffer.from("\uFFFD")])).toMatchObject({ text: "\uFFFD", isLossy: false });
  });

  test("the end gives what was held and starts afresh", () => {
    const decoder = new Utf8Decoder();
    decoder.push(Buffer.of(0xe2, 0x82));
    expect(decoder.end()).toEqual({ text: "\uFFFD", isLossy: true });
    expect(decoder.end()).toEqual({ text: "", isLossy: false });
    expect(decoder.push(Buffer.from("ok"))).toEqual({ text: "ok", isLossy: false });
  });

  test("a byte that can begin no character is not held back", () => {
    const decoder = new Utf8Decoder();
    expect(decoder.push(Buffer.of(0x61, 0xff)).text).toBe("a\uFFFD");
  });

  test("random bytes cut at random come out as the standard's streaming decoder says", () => {
    const random = randomNumbers(42);
    const alphabet = [0x41, 0x80, 0xbf, 0xc3, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0xf4, 0x90, 0xff];
    for (let round = 0; round < 2000; round += 1) {
      const bytes = Buffer.from(Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)] ?? 0));
      const cuts = [random(bytes.length + 1), random(bytes.length + 1)].toSorted((a, b) => a - b);
      const pieces = [bytes.subarray(0, cuts[0]), bytes.subarray(cuts[0], cuts[1]), bytes.subarray(cuts[1])];
      expect(decode(pieces).text).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
    }
  });
});
