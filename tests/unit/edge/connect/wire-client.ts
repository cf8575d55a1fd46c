import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";

/** A request as it goes over the wire: nothing is added but what Node must. */
export interface WireRequest {
  method?: string;
  path: string;
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
}

export interface WireReply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
}

/** Sends a request on a connection of its own and reads the whole answer. */
export async function send(baseUrl: string, wire: WireRequest): Promise<WireReply> {
  const response = await open(baseUrl, wire);
  const body = await buffer(response);
  return { status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString("utf8") };
}

/** Only the status: the answer may be a stream without an end, and is not read. */
export async function statusOf(baseUrl: string, wire: WireRequest): Promise<number> {
  const response = await open(baseUrl, wire);
  response.destroy();
  return response.statusCode ?? 0;
}

async function open(
  baseUrl: string,
  { method = "POST", path, headers = {}, body }: WireRequest,
): Promise<IncomingMessage> {
  const outgoing = request(`${baseUrl}${path}`, { method, headers, agent: false });
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  return response;
}

/** One envelope of a stream, its payload inflated and read as JSON. */
export interface Frame {
  flags: number;
  json: Record<string, unknown>;
}

const PREFIX_BYTES = 5;

export function envelope(message: unknown, flags = 0): Buffer {
  const payload = Buffer.isBuffer(message)
    ? message
    : Buffer.from(typeof message === "string" ? message : JSON.stringify(message));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix[0] = flags;
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** The complete envelopes of `bytes`, and what is left after them. */
export function takeFrames(bytes: Buffer): { frames: Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let rest = bytes;
  while (rest.length >= PREFIX_BYTES && rest.length >= PREFIX_BYTES + rest.readUInt32BE(1)) {
    const flags = rest[0] ?? 0;
    const end = PREFIX_BYTES + rest.readUInt32BE(1);
    const payload = rest.subarray(PREFIX_BYTES, end);
    const text = ((flags & 1) === 0 ? payload : gunzipSync(payload)).toString("utf8");
    frames.push({ flags, json: JSON.parse(text) as Record<string, unknown> });
    rest = rest.subarray(end);
  }
  return { frames, rest };
}

/** All envelopes of an answer that is complete. */
export function framesOf(body: Buffer): Frame[] {
  const { frames, rest } = takeFrames(body);
  if (rest.length > 0) throw new Error(`${rest.length} bytes behind the last envelope`);
  return frames;
}

/** The error of a stream's last frame. */
export function endError(frames: readonly Frame[]): { code: string; message: string } | undefined {
  return frames.at(-1)?.json["error"] as { code: string; message: string } | undefined;
}

export const JSON_STREAM = { "Content-Type": "application/connect+json" };
export const JSON_UNARY = { "Content-Type": "application/json" };

/** A streaming RPC in JSON whose answer is read frame by frame. */
export class WireStream {
  readonly response: IncomingMessage;
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);
  readonly #frames: Frame[] = [];

  private constructor(response: IncomingMessage) {
    this.response = response;
    this.#chunks = response.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  static async open(
    baseUrl: string,
    path: string,
    message: unknown,
    headers: Record<string, string> = {},
  ): Promise<WireStream> {
    const wire = { path, headers: { ...JSON_STREAM, ...headers }, body: envelope(message) };
    return new WireStream(await open(baseUrl, wire));
  }

  /** The next frame, or undefined after the last. */
  async next(): Promise<Frame | undefined> {
    while (this.#frames.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      const { frames, rest } = takeFrames(Buffer.concat([this.#held, value]));
      this.#held = rest;
      this.#frames.push(...frames);
    }
    return this.#frames.shift();
  }

  /** Events until `isLast` says so or the stream ends. */
  async until(isLast: (event: StreamEvent) => boolean): Promise<StreamEvent[]> {
    const events: StreamEvent[] = [];
    for (let frame = await this.next(); frame; frame = await this.next()) {
      const event = eventOf(frame);
      events.push(event);
      if (isLast(event)) break;
    }
    return events;
  }

  /** The client goes away. */
  destroy(): void {
    this.response.destroy();
  }
}

/** What a frame of Start or Connect says. */
export interface StreamEvent {
  start?: { pid: number; offsets?: { stdout: string; stderr: string; pty: string } };
  data?: { stdout?: string; stderr?: string; offset?: string };
  end?: { exitCode: number; exited: boolean; status: string; error?: string };
  keepalive?: object;
  /** The end of the stream, with its error if it has one. */
  close?: { code: string; message: string } | "ok";
}

export function eventOf({ flags, json }: Frame): StreamEvent {
  if ((flags & 2) !== 0) return { close: (json["error"] as { code: string; message: string } | undefined) ?? "ok" };
  return json["event"] as StreamEvent;
}

/** Text of one stream of a list of events. */
export function outputOf(events: readonly StreamEvent[], stream: "stdout" | "stderr" = "stdout"): string {
  return Buffer.concat(events.map(({ data }) => Buffer.from(data?.[stream] ?? "", "base64"))).toString("latin1");
}

/** A shell script as `Process/Start` takes it; `process` adds to its configuration. */
export function shell(
  script: string,
  { process = {}, ...more }: { process?: object; tag?: string; stdin?: boolean } = {},
): Record<string, unknown> {
  return { process: { cmd: "/bin/sh", args: ["-c", script], ...process }, stdin: false, ...more };
}
