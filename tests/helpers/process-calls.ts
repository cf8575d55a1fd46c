import {
  envelope,
  eventOf,
  framesOf,
  JSON_STREAM,
  JSON_UNARY,
  send,
  type WireReply,
  WireStream,
} from "../unit/edge/connect/wire-client.ts";

/** What a frame of Start or Connect says, output of terminals included. */
export interface ProcessEvent {
  start?: { pid: number };
  data?: { stdout?: string; stderr?: string; pty?: string; offset?: string };
  end?: { exitCode: number; exited: boolean; status: string; error?: string };
  close?: { code: string; message: string } | "ok";
}

export type Output = "stdout" | "stderr" | "pty";

/** A unary RPC in JSON, whatever it answers. */
export function call(url: string, method: string, message: unknown): Promise<WireReply> {
  return send(url, { path: `/process.Process/${method}`, headers: JSON_UNARY, body: JSON.stringify(message) });
}

/** A unary RPC in JSON that must succeed. */
export async function mustCall(url: string, method: string, message: unknown): Promise<void> {
  const { status, text } = await call(url, method, message);
  if (status !== 200) throw new Error(`${method} ${JSON.stringify(message)} answered ${status} ${text}`);
}

/** All events of a streaming RPC that is read to its end. */
export async function stream(
  url: string,
  method: "Start" | "Connect",
  message: unknown,
  headers: Record<string, string> = {},
): Promise<ProcessEvent[]> {
  const wire = { path: `/process.Process/${method}`, headers: { ...JSON_STREAM, ...headers }, body: envelope(message) };
  const { body } = await send(url, wire);
  return framesOf(body).map((frame) => eventOf(frame));
}

/** Bytes of one stream of a list of events. */
export function bytesOf(events: readonly ProcessEvent[], output: Output): Buffer {
  return Buffer.concat(events.map(({ data }) => Buffer.from(data?.[output] ?? "", "base64")));
}

/** A program that runs: its start event has come, the rest is the caller's to read. */
export interface LiveProgram {
  pid: number;
  stream: WireStream;
  /** All events after the first, up to the end of the stream. */
  rest(): Promise<ProcessEvent[]>;
}

export async function begin(url: string, message: unknown, headers: Record<string, string> = {}): Promise<LiveProgram> {
  const live = await WireStream.open(url, "/process.Process/Start", message, headers);
  const [first] = await live.until(() => true);
  const pid = first?.start?.pid;
  if (pid === undefined) throw new Error(`the stream began with ${JSON.stringify(first)}`);
  return { pid, stream: live, rest: () => live.until(() => false) };
}
