import { describe, expect, test } from "vitest";
import type { GenericSchema } from "valibot";
import { CodeBody, NewContext } from "../../../src/contracts/code.ts";
import { ChangeBody } from "../../../src/contracts/native-files.ts";
import { ResizeBody } from "../../../src/contracts/pty.ts";
import { RunBody, SignalBody } from "../../../src/contracts/runs.ts";
import { parseJsonBytes } from "../../../src/edge/validate.ts";
import { SandboxError } from "../../../src/errors.ts";

/** What a caller with this body is told, and what to do about it. */
function refusal(schema: GenericSchema, body: unknown): [string, string | undefined] {
  try {
    parseJsonBytes(Buffer.from(JSON.stringify(body)), schema);
  } catch (error) {
    if (error instanceof SandboxError) return [error.message, error.hint];
    throw error;
  }
  throw new Error("it was accepted");
}

describe("a body that is not as it should be is told", () => {
  test.each<[string, GenericSchema, unknown]>([
    ["body.code: is missing", CodeBody, {}],
    ["body.code: must be a string, not a number", CodeBody, { code: 1 }],
    ["body.code: must be a string, not nothing", CodeBody, { code: null }],
    ["body.timeoutMs: must be a number, not a string", CodeBody, { code: "1", timeoutMs: "5" }],
    ["body.timeoutMs: must be a whole number, not 1.5", CodeBody, { code: "1", timeoutMs: 1.5 }],
    ["body.timeoutMs: must be at least 0, not -1", CodeBody, { code: "1", timeoutMs: -1 }],
    ["body.envs: must be an object, not a list", CodeBody, { code: "1", envs: [] }],
    ["body.envs.KEY: must be a string, not a number", CodeBody, { code: "1", envs: { KEY: 12345 } }],
    ["body: must be an object, not a list", CodeBody, []],
    ["body: must be an object, not nothing", CodeBody, null],
    ["body.language: must not be empty", NewContext, { language: "" }],
    ["body.cols: must be at most 65535, not 70000", ResizeBody, { cols: 70_000, rows: 1 }],
    ['body.scope: must be "leader", "group", or "tree", not "all"', SignalBody, { signal: "INT", scope: "all" }],
    ["body.signal: must be a string or a number, not true", SignalBody, { signal: true }],
    ["body: give either cmd or shell", RunBody, {}],
    ["body.args.1: must be a string, not an object", RunBody, { cmd: "x", args: ["a", {}] }],
    ["body.op: is missing", ChangeBody, {}],
    ["body.mode: is missing", ChangeBody, { op: "chmod" }],
  ])("%s", (message, schema, body) => {
    expect(refusal(schema, body)).toEqual([message, undefined]);
  });

  test("with the members that there are, where one is not known", () => {
    expect(refusal(NewContext, { lang: "python" })).toEqual([
      "body.lang: there is no such member",
      "there are language, cwd",
    ]);
    expect(refusal(RunBody, { cmd: "x", pty: { cols: 1, rows: 1, width: 1 } })).toEqual([
      "body.pty.width: there is no such member",
      "there are cols, rows",
    ]);
    expect(refusal(ChangeBody, { op: "mkdir", path: "x" })).toEqual(["body.path: there is no such member", undefined]);
  });

  test("with no more of a long value than can be read", () => {
    const [message] = refusal(SignalBody, { signal: 1, scope: "x".repeat(1000) });
    expect(message.length).toBeLessThan(150);
  });
});
