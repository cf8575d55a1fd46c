import { join } from "node:path";
import { create, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { type SendInputRequest, SendInputRequestSchema } from "../../../src/contracts/gen/process_pb.js";
import { decodeSendInput } from "../../../src/contracts/input-decoder.ts";
import { loadBase64 } from "../../../src/host/base64/base64.ts";
import { portableBase64 } from "../../../src/lib/base64.ts";
import { createLogger } from "../../../src/log.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const log = createLogger({ level: "warn", format: "json", write: (line) => expect.unreachable(line) });
const library = loadBase64(join(REPOSITORY, "dist", "guestd-base64.so"), log);
let readBase64 = portableBase64.read;
const decode = (codec: "json" | "proto", bytes: Buffer): SendInputRequest => decodeSendInput(codec, bytes, readBase64);

/** What decoding ends with: the message as JSON, or that it was refused. */
function outcome(act: () => unknown): unknown {
  try {
    return toJson(SendInputRequestSchema, act() as SendInputRequest);
  } catch {
    return "refused";
  }
}

const ours = (json: string): unknown => outcome(() => decode("json", Buffer.from(json)));
const generated = (json: string): unknown =>
  outcome(() => fromJson(SendInputRequestSchema, JSON.parse(json) as JsonValue, { ignoreUnknownFields: true }));
const withStdin = (text: string): string => JSON.stringify({ process: { pid: 1 }, input: { stdin: text } });

describe.each(["the library's", "Node's"] as const)("input as JSON, with %s base64", (whose) => {
  beforeEach(() => {
    readBase64 = whose === "Node's" ? portableBase64.read : library.read;
  });

  test.each([
    ["stdin", '{"process":{"pid":42},"input":{"stdin":"aGk="}}'],
    ["pty", '{"process":{"tag":"x"},"input":{"pty":"aGk="}}'],
    ["nothing", '{"process":{"pid":42},"input":{"stdin":""}}'],
    ["no input", '{"process":{"pid":42}}'],
    ["an empty input", '{"process":{"pid":42},"input":{}}'],
    ["no process", '{"input":{"stdin":"aGk="}}'],
    ["null for an input", '{"process":{"pid":1},"input":null}'],
    ["null for stdin", '{"process":{"pid":1},"input":{"stdin":null}}'],
    ["null for stdin beside pty", '{"process":{"pid":1},"input":{"stdin":null,"pty":"aGk="}}'],
    ["null for pty beside stdin", '{"process":{"pid":1},"input":{"stdin":"aGk=","pty":null}}'],
    ["both", '{"process":{"pid":1},"input":{"stdin":"aGk=","pty":"aGk="}}'],
    ["both, one empty", '{"process":{"pid":1},"input":{"stdin":"","pty":"aGk="}}'],
    ["both, the other empty", '{"process":{"pid":1},"input":{"stdin":"aGk=","pty":""}}'],
    ["a number for bytes", '{"process":{"pid":1},"input":{"stdin":1}}'],
    ["a list for bytes", '{"process":{"pid":1},"input":{"stdin":[104]}}'],
    ["a text for an input", '{"process":{"pid":1},"input":"aGk="}'],
    ["a list for an input", '{"process":{"pid":1},"input":[]}'],
    ["base64 under an unknown member", '{"process":{"pid":1},"z":{"stdin":"aGkhaGkh"},"input":{}}'],
    ["unknown members", '{"process":{"pid":1,"x":1},"input":{"stdin":"aGk=","y":{}},"z":[]}'],
    ["a selector with both", '{"process":{"pid":1,"tag":"x"},"input":{"stdin":"aGk="}}'],
    ["a pid as text", '{"process":{"pid":"7"},"input":{"stdin":"aGk="}}'],
    ["a pid that is none", '{"process":{"pid":-1},"input":{"stdin":"aGk="}}'],
    ["null", "null"],
    ["a list", "[]"],
    ["a number", "7"],
    ["an empty object", "{}"],
  ])("is decoded as the generated code does: %s", (_name, json) => {
    expect(ours(json)).toEqual(generated(json));
  });

  test.each([
    "",
    "a",
    "aG",
    "aGk",
    "aGkh",
    "aGk=",
    "aG==",
    "=",
    "==",
    "aGk==",
    "aGk=a",
    " aGk=",
    "aGk=\n",
    "a\r\nGk=",
    "-_-_",
    "+/+/",
    "-/+_",
    "aG!=",
    "äöü",
    "aGkh\0",
    "____",
    "////",
    "aGkhaGkhaGkhaGkh",
    "aGkhaGkhaGkhaG",
    "aGkhaGkhaGkhaG=",
  ])("takes the same base64 as the generated code: %j", (text) => {
    expect(ours(withStdin(text))).toEqual(generated(withStdin(text)));
  });

  test("of megabytes comes out byte for byte", () => {
    const bytes = Buffer.alloc(3_000_001, "\u00ff\0ab", "latin1");
    for (const text of [bytes.toString("base64"), bytes.toString("base64url")]) {
      const { input } = decode("json", Buffer.from(withStdin(text))).input ?? {};
      expect(input?.case === "stdin" && Buffer.from(input.value).equals(bytes)).toBe(true);
    }
  });

  test("that is no JSON is an error that says so", () => {
    expect(() => decode("json", Buffer.from("{"))).toThrow(/JSON/);
  });
});

describe("input as protobuf", () => {
  test("is decoded by the generated code", () => {
    const message = create(SendInputRequestSchema, {
      process: { selector: { case: "pid", value: 7 } },
      input: { input: { case: "pty", value: new Uint8Array([0, 255, 1]) } },
    });
    const bytes = Buffer.from(toBinary(SendInputRequestSchema, message));
    expect(decode("proto", bytes)).toEqual(fromBinary(SendInputRequestSchema, bytes));
    expect(() => decode("proto", bytes.subarray(0, 3))).toThrow();
  });
});

test.each([
  ["a member nobody knows", '{"process":{"pid":1},"input":{"stdin":"aGk="},"\xbe":0}'],
  ["the input", '{"process":{"pid":1},"input":{"stdin":"aGk\xbe"}}'],
  ["a message without input", '{"process":{"tag":"\xbe"}}'],
])("JSON that is not UTF-8 in %s is refused", (_where, latin1) => {
  expect(() => decode("json", Buffer.from(latin1, "latin1"))).toThrow("not UTF-8");
});
