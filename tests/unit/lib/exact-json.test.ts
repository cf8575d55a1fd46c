import { describe, expect, test } from "vitest";
import { parseExactly } from "../../../src/lib/exact-json.ts";

describe("parseExactly", () => {
  test.each([
    "1.0",
    "[1.0]",
    '{"a":-0.0}',
    "[1e+16]",
    "[123456789012345678901]",
    '[1.0,"1.0, 2.0",{"b":[2.50]}]',
    "1e5",
  ])("writes %s as it was", (text) => {
    expect(JSON.stringify(parseExactly(`{"value":${text}}`))).toBe(`{"value":${text}}`);
  });

  test("leaves other values what they are", () => {
    expect(parseExactly('{"a":1,"b":[0.5,1.0],"c":"x"}')).toMatchObject({ a: 1, c: "x" });
    expect(parseExactly("[1,0.25,null,true]")).toEqual([1, 0.25, null, true]);
  });

  test("refuses what is no JSON", () => {
    expect(() => parseExactly("[1.0,")).toThrow(SyntaxError);
  });
});
