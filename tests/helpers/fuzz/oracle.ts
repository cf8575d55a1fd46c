import { isUtf8 } from "node:buffer";
import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { type DescMessage, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import type { StartRequest } from "../../../src/contracts/gen/process_pb.js";
import { HARMLESS } from "./messages.ts";

export type Codec = "json" | "proto";

/** The largest message that the daemon takes. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const PREFIX_BYTES = 5;

/** What a request's body says, read by other code than the daemon's. */
export interface Reading {
  messages: Message[];
  /** Why no daemon may take this for a request. */
  fault: string | undefined;
}

/** A message. Throws when the bytes are none. */
export function decode(schema: DescMessage, codec: Codec, bytes: Buffer): Message {
  if (codec === "proto") return fromBinary(schema, bytes);
  // The generated code would take what U+FFFD stands for as if it had been sent.
  if (!isUtf8(bytes)) throw new Error("the message is not UTF-8");
  return fromJsonString(schema, bytes.toString("utf8"), { ignoreUnknownFields: true });
}

export function inflate(bytes: Buffer): Buffer {
  return bytes.length === 0 ? bytes : gunzipSync(bytes, { maxOutputLength: MAX_MESSAGE_BYTES });
}

/** Reads the body of a unary request. */
export function readUnary(schema: DescMessage, codec: Codec, body: Buffer, isGzip: boolean): Reading {
  try {
    return { messages: [decode(schema, codec, isGzip ? inflate(body) : body)], fault: undefined };
  } catch (error) {
    return { messages: [], fault: `the message cannot be read: ${String(error)}` };
  }
}

/** Reads the envelopes of a streaming request: everything up to the first fault. */
export function readStream(schema: DescMessage, codec: Codec, body: Buffer, isGzip: boolean): Reading {
  const messages: Message[] = [];
  let rest = body;
  try {
    while (rest.length > 0) {
      if (rest.length < PREFIX_BYTES) return { messages, fault: "the body ends in a prefix" };
      const flags = rest.readUInt8(0);
      const size = rest.readUInt32BE(1);
      if (rest.length < PREFIX_BYTES + size) return { messages, fault: "the body ends in a message" };
      if (flags > 1 || (flags === 1 && !isGzip)) return { messages, fault: `flags ${flags}` };
      const payload = rest.subarray(PREFIX_BYTES, PREFIX_BYTES + size);
      messages.push(decode(schema, codec, flags === 1 ? inflate(payload) : payload));
      rest = rest.subarray(PREFIX_BYTES + size);
    }
  } catch (error) {
    return { messages, fault: `a message cannot be read: ${String(error)}` };
  }
  return { messages, fault: undefined };
}

/** Whether one of the messages would start a program other than those that do nothing. */
export function isDangerous(messages: readonly Message[]): boolean {
  return messages.some((message) => {
    if (message.$typeName !== "process.StartRequest") return false;
    const cmd = (message as StartRequest).process?.cmd ?? "";
    return !HARMLESS.includes(cmd) && isProgram(cmd);
  });
}

const FOLDERS = ["/", "/tmp", ...(process.env["PATH"] ?? "").split(":"), "/bin", "/usr/bin", "/sbin", "/usr/sbin"];

function isProgram(cmd: string): boolean {
  if (cmd === "" || cmd.includes("\0")) return false;
  return FOLDERS.some((folder) => {
    try {
      const path = resolve(folder, cmd);
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false; // no such file
    }
  });
}
