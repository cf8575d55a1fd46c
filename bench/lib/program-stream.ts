import { create, fromBinary, fromJsonString, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  ConnectRequestSchema,
  SendInputRequestSchema,
  StartRequestSchema,
  StartResponseSchema,
} from "../../src/contracts/gen/process_pb.js";
import type { Codec, Connection } from "./connection.ts";
import type { Message } from "./envelope-reader.ts";

const END_STREAM = 0b10;
const DATA_FIELD = 2;

/** How a stream ended: with the program's exit code, or with an error of the daemon. */
export interface StreamEnd {
  exitCode: number | undefined;
  /** Code and message. */
  error: string | undefined;
  /** Of all data events, all streams together. */
  dataBytes: number;
}

export interface ProgramStream {
  /** Rejects when the stream ends without a start event. */
  readonly pid: Promise<number>;
  /** Resolves when the answer is complete. */
  readonly ended: Promise<StreamEnd>;
}

export interface StreamOptions {
  codec?: Codec;
  /** Called with the size of each data event. */
  onData?: (bytes: number) => void;
}

export type StartInit = MessageInitShape<typeof StartRequestSchema>;

/** The bytes of a Start message. */
export function startMessage(request: StartInit, codec: Codec = "json"): Buffer {
  const message = create(StartRequestSchema, request);
  return Buffer.from(
    codec === "json" ? toJsonString(StartRequestSchema, message) : toBinary(StartRequestSchema, message),
  );
}

/** Starts a program on a connection. */
export function startProgram(connection: Connection, request: StartInit, options: StreamOptions = {}): ProgramStream {
  return follow(connection, "/process.Process/Start", startMessage(request, options.codec), options);
}

/** A second subscriber to a running program. */
export function connectProgram(connection: Connection, pid: number, options: StreamOptions = {}): ProgramStream {
  const request = create(ConnectRequestSchema, { process: { selector: { case: "pid", value: pid } } });
  const message = Buffer.from(toJsonString(ConnectRequestSchema, request));
  return follow(connection, "/process.Process/Connect", message, options);
}

/** The bytes of a SendInput message. */
export function inputMessage(pid: number, kind: "stdin" | "pty", bytes: Uint8Array, codec: Codec = "json"): Buffer {
  const input = { case: kind, value: bytes as Uint8Array<ArrayBuffer> };
  const process = { selector: { case: "pid" as const, value: pid } };
  if (codec === "proto") {
    const message = create(SendInputRequestSchema, { process, input: { input } });
    return Buffer.from(toBinary(SendInputRequestSchema, message));
  }
  const base64 = Buffer.from(bytes).toString("base64");
  return Buffer.from(JSON.stringify({ process: { pid }, input: { [kind]: base64 } }));
}

/** Sends input; resolves when the daemon has answered. @throws Error with its answer when that is no success */
export async function sendInput(connection: Connection, message: Buffer, codec: Codec = "json"): Promise<void> {
  const { status, body } = await connection.call("/process.Process/SendInput", message, codec);
  if (status !== 200) throw new Error(`SendInput answered ${status}: ${body.toString()}`);
}

export async function closeStdin(connection: Connection, pid: number): Promise<void> {
  await connection.call("/process.Process/CloseStdin", Buffer.from(JSON.stringify({ process: { pid } })));
}

function follow(connection: Connection, path: string, message: Buffer, options: StreamOptions): ProgramStream {
  const { codec = "json", onData } = options;
  const pid = Promise.withResolvers<number>();
  pid.promise.catch(() => undefined);
  const end: StreamEnd = { exitCode: undefined, error: undefined, dataBytes: 0 };
  const take = (received: Message): void => {
    const { flags, head, sizeBytes } = received;
    if (flags & END_STREAM) {
      if (sizeBytes > 2) end.error = head.toString();
      return;
    }
    const bytes = codec === "json" ? jsonDataBytes(received) : protoDataBytes(head);
    if (bytes !== undefined) {
      end.dataBytes += bytes;
      onData?.(bytes);
      return;
    }
    const { event } =
      codec === "json" ? fromJsonString(StartResponseSchema, head.toString()) : fromBinary(StartResponseSchema, head);
    if (event?.event.case === "start") pid.resolve(event.event.value.pid);
    if (event?.event.case === "end") end.exitCode = event.event.value.exitCode;
  };
  const ended = connection.stream(path, message, take, codec).then(() => {
    pid.reject(new Error(end.error ?? "the stream ended without a start event"));
    return end;
  });
  ended.catch((error: unknown) => pid.reject(error));
  return { pid: pid.promise, ended };
}

/** How many bytes of output a JSON message carries; undefined if it is no data event. */
function jsonDataBytes({ head, tail, sizeBytes }: Message): number | undefined {
  const prefix = /^\{"event":\{"data":\{"(?:stdout|stderr|pty)":"/.exec(head.toString("latin1", 0, 48));
  if (!prefix) return undefined;
  const [suffix = "", padding = ""] = /(={0,2})"(?:,"offset":"\d+")?\}\}\}$/.exec(tail.toString("latin1")) ?? [];
  const base64Bytes = sizeBytes - prefix[0].length - suffix.length + padding.length;
  return (base64Bytes / 4) * 3 - padding.length;
}

/** The same of a protobuf message: event { data { stream: bytes } }, one length in the other. */
function protoDataBytes(head: Buffer): number | undefined {
  const event = fieldAt(head, 0);
  const data = event && fieldAt(head, event.start);
  if (data?.number !== DATA_FIELD) return undefined;
  return fieldAt(head, data.start)?.sizeBytes;
}

/** The length-delimited field that begins at `at`. */
function fieldAt(bytes: Buffer, at: number): { number: number; start: number; sizeBytes: number } | undefined {
  const tag = bytes[at];
  if (tag === undefined || (tag & 7) !== 2) return undefined;
  let sizeBytes = 0;
  let start = at + 1;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[start++] ?? 0;
    sizeBytes += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { number: tag >> 3, start, sizeBytes };
  }
}
