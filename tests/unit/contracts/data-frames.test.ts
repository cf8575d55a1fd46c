import { randomBytes } from "node:crypto";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { dataFrames, type DataStream } from "../../../src/contracts/data-frames.ts";
import { portableBase64 } from "../../../src/lib/base64.ts";
import { ConnectResponseSchema, StartResponseSchema } from "../../../src/contracts/gen/process_pb.js";

const STREAMS: DataStream[] = ["stdout", "stderr", "pty"];
const SIZES = [0, 1, 2, 3, 4, 100, 125, 126, 127, 128, 129, 16_380, 16_383, 16_384, 65_535, 65_536, 300_000];
const OFFSETS = [
  0,
  1,
  127,
  128,
  16_384,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 32 + 1,
  2 ** 40 + 12_345,
  2 ** 53 - 1,
];

/** The message as the generated code builds it. */
function message(stream: DataStream, bytes: Buffer, offset: number) {
  const value = { output: { case: stream, value: bytes }, offset: BigInt(offset) };
  return { event: { event: { case: "data" as const, value } } };
}

function envelope(payload: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

describe.each([
  ["Start", StartResponseSchema],
  ["Connect", ConnectResponseSchema],
] as const)("output frames of %s", (_name, schema) => {
  test.each(STREAMS)("in JSON are byte for byte what the generated code writes: %s", (stream) => {
    for (const size of SIZES) {
      const bytes = randomBytes(size);
      for (const offset of size < 200 ? OFFSETS : [0, 2 ** 32 + 7]) {
        const expected = envelope(Buffer.from(toJsonString(schema, create(schema, message(stream, bytes, offset)))));
        expect(dataFrames("json", [{ stream, bytes, offset }], portableBase64.write).equals(expected)).toBe(true);
      }
    }
  });

  test.each(STREAMS)("in protobuf are byte for byte what the generated code writes: %s", (stream) => {
    for (const size of SIZES) {
      const bytes = randomBytes(size);
      for (const offset of size < 200 ? OFFSETS : [0, 2 ** 32 + 7]) {
        const expected = envelope(toBinary(schema, create(schema, message(stream, bytes, offset))));
        expect(dataFrames("proto", [{ stream, bytes, offset }], portableBase64.write).equals(expected)).toBe(true);
      }
    }
  });
});

test("frames of a part of a larger buffer hold that part only", () => {
  const part = Buffer.from("xxhelloxx").subarray(2, 7);
  const json = dataFrames("json", [{ stream: "stdout", bytes: part, offset: 0 }], portableBase64.write)
    .subarray(5)
    .toString();
  expect(json).toBe('{"event":{"data":{"stdout":"aGVsbG8=","offset":"0"}}}');
});

test.each(["json", "proto"] as const)("several pieces are their frames one behind the other (%s)", (codec) => {
  const pieces = [3, 70_000, 0, 65_536].map((size, index) => ({
    stream: STREAMS[index % 3] ?? "stdout",
    bytes: randomBytes(size),
    offset: index * 1000,
  }));
  const single = pieces.map((piece) => dataFrames(codec, [piece], portableBase64.write));
  expect(dataFrames(codec, pieces, portableBase64.write).equals(Buffer.concat(single))).toBe(true);
});
