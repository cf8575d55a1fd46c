import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { StartRequestSchema, StartResponseSchema } from "../../../../src/contracts/gen/process_pb.js";
import { acceptsGzip, isGzipRequest } from "../../../../src/edge/connect/call.ts";
import { decodeMessage, encodeMessage } from "../../../../src/edge/connect/codec.ts";

const decode = (json: string) => decodeMessage(StartRequestSchema, "json", Buffer.from(json));
const END = {
  event: { event: { case: "end" as const, value: { exitCode: 0, exited: true, status: "exit status 0" } } },
};

describe("messages in", () => {
  test("may have camel case and snake case, unknown members and numbers as text", () => {
    expect(decode('{"process":{"cmd":"x","args":["a"],"new":{"y":1}},"stdin":false,"later":1}')).toMatchObject({
      process: { cmd: "x", args: ["a"] },
      stdin: false,
    });
    expect(
      decodeMessage(StartResponseSchema, "json", Buffer.from('{"event":{"end":{"exit_code":3}}}')).event?.event,
    ).toMatchObject({
      value: { exitCode: 3 },
    });
  });

  test("tell absent from false", () => {
    expect([decode("{}").stdin, decode('{"stdin":null}').stdin, decode('{"stdin":false}').stdin]).toEqual([
      undefined,
      undefined,
      false,
    ]);
  });

  test.each([
    ["", "unmarshal message: zero-length payload is not a valid JSON object"],
    ["{", /^unmarshal message: /],
    ["[]", /^unmarshal message: /],
    ['{"stdin":"yes"}', /^unmarshal message: .*stdin/],
    ['{"process":[]}', /^unmarshal message: /],
    ['{"process":{"envs":{"A":1}}}', /^unmarshal message: /],
  ])("that are wrong begin with the reference's words: %j", (json, message) => {
    expect(() => decode(json)).toThrowError(expect.objectContaining({ code: "invalid_argument" }));
    expect(() => decode(json)).toThrowError(message);
  });

  test("in protobuf may be empty, and are refused when broken off", () => {
    expect(decodeMessage(StartRequestSchema, "proto", Buffer.alloc(0)).process).toBeUndefined();
    const bytes = Buffer.from(toBinary(StartRequestSchema, create(StartRequestSchema, { process: { cmd: "x" } })));
    expect(() => decodeMessage(StartRequestSchema, "proto", bytes.subarray(0, -1))).toThrowError(
      /^unmarshal message: /,
    );
  });
});

describe("messages out", () => {
  test("leave defaults out, unless they are to be written", () => {
    expect(encodeMessage(StartResponseSchema, "json", END).toString()).toBe(
      '{"event":{"end":{"exited":true,"status":"exit status 0"}}}',
    );
    const written = encodeMessage(StartResponseSchema, "json", END, { writesDefaults: true }).toString();
    expect(JSON.parse(written)).toEqual({ event: { end: { exitCode: 0, exited: true, status: "exit status 0" } } });
  });

  test("in protobuf are the generated code's bytes", () => {
    const expected = toBinary(StartResponseSchema, create(StartResponseSchema, END));
    expect(encodeMessage(StartResponseSchema, "proto", END).equals(Buffer.from(expected))).toBe(true);
  });
});

describe("codings", () => {
  test.each([
    [undefined, false],
    ["", false],
    ["gzip", true],
    ["GZIP", true],
    ["identity", false],
    ["br, gzip", true],
    ["gzip, deflate", true],
    ["identity, gzip", false],
    ["deflate", false],
  ])("an answer to Accept-Encoding %j is gzip: %s", (header, isGzip) => {
    expect(acceptsGzip(header)).toBe(isGzip);
  });

  test("of a request are gzip, none, or unimplemented", () => {
    expect([undefined, "", "identity", "gzip"].map(isGzipRequest)).toEqual([false, false, false, true]);
    expect(() => isGzipRequest("br")).toThrowError(
      expect.objectContaining({
        code: "unimplemented",
        message: 'unknown compression "br": supported encodings are gzip',
      }),
    );
  });
});
