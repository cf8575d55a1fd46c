import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type {
  DescMessage,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { SandboxError } from "../../errors.ts";
import { bodyChunks } from "../body.ts";
import { pump, startPump } from "../pump.ts";
import type { EdgeContext, RequestContext } from "../request-context.ts";
import type { Route } from "../route.ts";
import { acceptsGzip, type Call, isGzipRequest, readCall } from "./call.ts";
import { type Codec, decodeMessage, encodeMessage } from "./codec.ts";
import { endStreamFrame, FLAG_COMPRESSED, frame, PREFIX_BYTES, readEnvelopes } from "./envelope.ts";
import type { LateMethod } from "./methods.ts";
import { unsupportedContentType } from "./unsupported.ts";

const deflate = promisify(gzip);
const CONTENT_TYPES: Readonly<Record<string, Codec>> = {
  "application/connect+json": "json",
  "application/connect+proto": "proto",
};

/** What a streaming handler yields: a message, or for hot paths one or more envelopes encoded by hand. */
export type StreamItem<O extends DescMessage> = MessageInitShape<O> | Buffer;

export interface ServerStreamOptions<O extends DescMessage> {
  /** Sent after this long without another message, once the first one is out. */
  keepalive?: { message: MessageInitShape<O> };
  /** The handler ends the stream at the deadline itself. */
  ownsDeadline?: boolean;
  /** JSON spells out zero, false and empty fields too. */
  writesDefaults?: boolean;
}

/** Keepalive interval: the client's wish in whole seconds, within bounds. */
const DEFAULT_KEEPALIVE_MS = 90_000;
const MIN_KEEPALIVE_MS = 1000;
const MAX_KEEPALIVE_MS = 3_600_000;

/** A route that serves one server-streaming RPC. An item is pulled once the one before is in the client's socket. */
export function serverStreamRoute<I extends DescMessage, O extends DescMessage>(
  { path, describe }: LateMethod<DescMethodServerStreaming<I, O>>,
  handler: (request: MessageShape<I>, call: Call) => AsyncIterable<StreamItem<O>>,
  options: ServerStreamOptions<O> = {},
): Route {
  const handle = async (c: EdgeContext): Promise<Response> => {
    const codec = codecOf(c);
    if (!codec) return unsupportedContentType(c, Object.keys(CONTENT_TYPES));
    // No closure below may hold the context: it would be kept as long as the stream lasts.
    const { request } = c.var;
    const { incoming, outgoing } = c.env;
    const method = describe();
    const call = readCall(c, codec, { ownsDeadline: options.ownsDeadline ?? false });
    const isGzip = acceptsGzip(c.req.header("connect-accept-encoding"));
    const encode = (item: StreamItem<O>): Buffer =>
      Buffer.isBuffer(item) ? item : frame(0, encodeMessage(method.output, codec, item, options));
    const items = untilEnd(request, async function* () {
      for await (const item of handler(await onlyMessage(incoming, method.input, codec), call)) yield encode(item);
    });
    const { keepalive } = options;
    await startPump(isGzip ? compressed(items) : items, outgoing, {
      headers: streamHeaders(codec, isGzip),
      onFailure: (error) => void request.fail(error),
      ...(keepalive && { keepalive: { bytes: encode(keepalive.message), everyMs: keepaliveMs(c) } }),
    });
    return RESPONSE_ALREADY_SENT;
  };
  return { method: "POST", path, family: "rpc", access: "token", handle };
}

/** A route that serves one client-streaming RPC: many messages in, one out. */
export function clientStreamRoute<I extends DescMessage, O extends DescMessage>(
  { path, describe }: LateMethod<DescMethodClientStreaming<I, O>>,
  handler: (requests: AsyncIterable<MessageShape<I>>, call: Call) => Promise<MessageInitShape<O>>,
): Route {
  const handle = async (c: EdgeContext): Promise<Response> => {
    const codec = codecOf(c);
    if (!codec) return unsupportedContentType(c, Object.keys(CONTENT_TYPES));
    const method = describe();
    const call = readCall(c, codec, { ownsDeadline: false });
    const isGzip = acceptsGzip(c.req.header("connect-accept-encoding"));
    const { request } = c.var;
    const { incoming, outgoing } = c.env;
    const items = untilEnd(request, async function* () {
      yield frame(0, encodeMessage(method.output, codec, await handler(messages(incoming, method.input, codec), call)));
    });
    await pump(isGzip ? compressed(items) : items, outgoing, { headers: streamHeaders(codec, isGzip) });
    return RESPONSE_ALREADY_SENT;
  };
  return { method: "POST", path, family: "rpc", access: "token", handle };
}

function codecOf(c: EdgeContext): Codec | undefined {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  return type === undefined ? undefined : CONTENT_TYPES[type];
}

function streamHeaders(codec: Codec, isGzip: boolean): Record<string, string> {
  return {
    "Content-Type": `application/connect+${codec}`,
    "Connect-Accept-Encoding": "gzip",
    ...(isGzip && { "Connect-Content-Encoding": "gzip" }),
  };
}

function keepaliveMs(c: EdgeContext): number {
  const text = c.req.header("keepalive-ping-interval")?.trim() ?? "";
  if (!/^-?\d+$/.test(text)) return DEFAULT_KEEPALIVE_MS;
  return Math.min(Math.max(Number(text) * 1000, MIN_KEEPALIVE_MS), MAX_KEEPALIVE_MS);
}

async function* messages<I extends DescMessage>(
  incoming: IncomingMessage,
  schema: I,
  codec: Codec,
): AsyncGenerator<MessageShape<I>> {
  const isGzip = isGzipRequest(incoming.headers["connect-content-encoding"]?.toString());
  for await (const bytes of readEnvelopes(bodyChunks(incoming), { isGzip })) yield decodeMessage(schema, codec, bytes);
}

async function onlyMessage<I extends DescMessage>(
  incoming: IncomingMessage,
  schema: I,
  codec: Codec,
): Promise<MessageShape<I>> {
  let only: MessageShape<I> | undefined;
  for await (const message of messages(incoming, schema, codec)) {
    if (only) throw new SandboxError("unimplemented", "unary request has multiple messages");
    only = message;
  }
  if (only) return only;
  throw new SandboxError("unimplemented", "unary request has zero messages");
}

/** Frames, then the last one every stream needs: empty, or with the error that ended it. */
async function* untilEnd(request: RequestContext, frames: () => AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* frames();
  } catch (thrown) {
    yield endStreamFrame(request.fail(thrown));
    return;
  }
  yield endStreamFrame();
}

async function* compressed(frames: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const plain of frames) {
    // A frame of ours may be several envelopes one behind the other.
    for (let at = 0; at < plain.length;) {
      const end = at + PREFIX_BYTES + plain.readUInt32BE(at + 1);
      const payload = await deflate(plain.subarray(at + PREFIX_BYTES, end), { level: 1 });
      yield frame((plain[at] ?? 0) | FLAG_COMPRESSED, payload);
      at = end;
    }
  }
}
