import { describe, expect, test } from "vitest";
import { RequestReader } from "../../../src/git/call/request-reader.ts";

const ID = "01234567-89ab-cdef-0123-456789abcdef";
const reader = (): RequestReader => new RequestReader((id) => id === ID);
const request = (...args: string[]): Buffer => Buffer.from([ID, `${args.length}`, ...args, ""].join("\0"));

describe("a request", () => {
  test.each([[[]], [["status", "", "ä\n-z"]], [["x".repeat(200_000), ""]]])("%# is read in whatever pieces", (args) => {
    const bytes = request(...args);
    for (const size of [1, 7, 64, bytes.length]) {
      const one = reader();
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const answers = pieces.map((piece) => one.push(piece));
      expect(answers.slice(0, -1).every((answer) => answer === undefined)).toBe(true);
      expect(answers.at(-1)).toEqual({ id: ID, args });
    }
  });

  test.each([
    ["of an unknown id, before its arguments", "other\0"],
    ["whose id does not end", "x".repeat(64)],
    ["whose number is none", `${ID}\0-1\0`],
    ["whose number does not end", `${ID}\0${"1".repeat(64)}`],
    ["with more arguments than it says", `${ID}\x001\0a\0b\0`],
    ["with more behind it", `${ID}\x001\0a\0b`],
    ["that is too long", `${ID}\x001\0${"x".repeat(5 * 1024 * 1024)}`],
  ])("%s is none", (_what, text) => {
    expect(reader().push(Buffer.from(text))).toBeNull();
  });
});
