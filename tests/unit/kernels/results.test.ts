import { describe, expect, test } from "vitest";
import { asciiLine, wireEvent, wireText } from "../../../src/kernels/results.ts";
import type { MimeBundle } from "../../../src/kernels/types.ts";

const result = (data: MimeBundle, isMain = true): Record<string, unknown> =>
  wireEvent({ type: "result", data, isMain });
const textOf = (plain: unknown): unknown => result({ "text/plain": plain })["text"];

describe("a result", () => {
  test("has a key for each known MIME type, in the reference's order, then extra, then whether it is the main one", () => {
    const data = {
      "e2b/chart": {},
      "e2b/data": { a: [1] },
      "application/javascript": "js",
      "application/json": { b: null },
      "text/latex": "$x$",
      "application/pdf": "UERG",
      "image/jpeg": "SlBH",
      "image/png": "UE5H",
      "image/svg+xml": "<svg/>",
      "text/markdown": "*m*",
      "text/html": "<b>",
      "text/plain": "p",
    };
    expect(JSON.stringify(result(data))).toBe(
      JSON.stringify({
        type: "result",
        text: "p",
        html: "<b>",
        markdown: "*m*",
        svg: "<svg/>",
        png: "UE5H",
        jpeg: "SlBH",
        pdf: "UERG",
        latex: "$x$",
        json: { b: null },
        javascript: "js",
        data: { a: [1] },
        chart: {},
        extra: {},
        is_main_result: true,
      }),
    );
  });

  test("has everything else in extra, by its MIME type, and extra even when it is empty", () => {
    const plotly = { data: [], layout: null };
    const wire = result({ "image/gif": "R0lG", "application/vnd.plotly.v1+json": plotly, "text/plain": "x" }, false);
    expect(wire).toEqual({
      type: "result",
      text: "x",
      extra: { "image/gif": "R0lG", "application/vnd.plotly.v1+json": plotly },
      is_main_result: false,
    });
    expect(result({})).toEqual({ type: "result", extra: {}, is_main_result: true });
  });

  test("leaves null out at the top, and keeps it further down", () => {
    const wire = result({ "text/plain": null, "e2b/chart": { title: null }, "application/x": null });
    expect(wire).toEqual({
      type: "result",
      chart: { title: null },
      extra: { "application/x": null },
      is_main_result: true,
    });
  });

  test("keeps values that are false, zero or empty", () => {
    expect(result({ "application/json": 0, "text/html": "", "e2b/data": false })).toMatchObject({
      json: 0,
      html: "",
      data: false,
    });
  });

  test.each([
    ["'a string'", "a string"],
    ['"it\'s"', "it's"],
    ["'x' + 'y'", "x' + 'y"],
    ["''", ""],
    ["'", "'"],
    ['"', '"'],
    ["", ""],
    ["'mixed\"", "'mixed\""],
    ["''nested''", "'nested'"],
    ["'a\\nb'", "a\\nb"],
    ['[1] "x"', '[1] "x"'],
    [" 'blank'", " 'blank'"],
    ["'two\nlines'", "two\nlines"],
  ])("takes one pair of outer quotes off its text: %j", (plain, text) => {
    expect(textOf(plain)).toBe(text);
  });

  test("takes quotes off no other form", () => {
    expect(result({ "text/html": "'h'", "application/x": "'e'" })).toMatchObject({
      html: "'h'",
      extra: { "application/x": "'e'" },
    });
  });
});

describe("the other events", () => {
  test("have the reference's names", () => {
    expect(wireEvent({ type: "start", count: 3 })).toEqual({ type: "number_of_executions", execution_count: 3 });
    expect(wireEvent({ type: "error", name: "E", value: "v", traceback: "" })).toEqual({
      type: "error",
      name: "E",
      value: "v",
      traceback: "",
    });
  });

  test("text carries the time with microseconds and a numeric offset", () => {
    expect(wireText("stderr", "x", Date.UTC(2026, 10, 20, 7, 39, 48, 813))).toEqual({
      type: "stderr",
      text: "x",
      timestamp: "2026-11-20T07:39:48.813000+00:00",
    });
  });
});

const lineOf = (text: string): string => asciiLine({ text }).toString("latin1");

describe("a line of the stream", () => {
  test("is ASCII whatever is in it, ends with the only line feed, and reads back the same", () => {
    const texts = [
      "plain",
      "é€😀",
      "\u0085\u2028\u2029",
      "\u007f",
      "\n\r\t\0\x1b",
      "\ud800",
      "a\udc00b",
      "\udfff\ud800",
      "\uFFFD\uFEFF",
      "\\u00e9",
    ];
    for (const text of texts) {
      const line = lineOf(text);
      expect(line).toMatch(/^[\x20-\x7e]*\n$/);
      expect((JSON.parse(line) as { text: string }).text).toBe(text);
    }
  });

  test("writes a character beyond the first plane as two escapes", () => {
    expect(lineOf("😀")).toBe('{"text":"\\ud83d\\ude00"}\n');
  });

  test("has neither NaN nor Infinity", () => {
    expect(asciiLine({ a: NaN, b: [Infinity, -Infinity] }).toString()).toBe('{"a":null,"b":[null,null]}\n');
  });

  test("keeps every one of all characters", () => {
    const all = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code)).join("");
    expect((JSON.parse(lineOf(all)) as { text: string }).text).toBe(all);
  });
});
