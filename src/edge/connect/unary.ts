import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { readBody } from "../body.ts";
import { bodyBytes } from "../replies.ts";
import type { SpareMemory } from "../../lib/spare-memory.ts";
import type { EdgeContext } from "../request-context.ts";
import type { Route } from "../route.ts";
import { acceptsGzip, type Call, isGzipRequest, readCall } from "./call.ts";
import { type Codec, decodeMessage, encodeMessage } from "./codec.ts";
import { decompress, MAX_MESSAGE_BYTES } from "./envelope.ts";
import type { LateMethod } from "./methods.ts";
import { unsupportedContentType } from "./unsupported.ts";

const deflate = promisify(gzip);
/** Smaller answers gain nothing from compression. */
const MIN_GZIP_BYTES = 1024;
const CONTENT_TYPES: Readonly<Record<string, Codec>> = { "application/json": "json", "application/proto": "proto" };

export interface UnaryOptions<I extends DescMessage> {
  /** A faster decoder for hot methods, with the same result and errors as the generated one. */
  decode?: (schema: I, codec: Codec, bytes: Buffer) => MessageShape<I>;
  /** For messages that may be large: where they are put together. Once the handler has succeeded nothing may refer to their bytes. */
  memory?: SpareMemory;
}

/** A route that serves one unary RPC of the Connect protocol, in JSON and protobuf. A handler may encode a large answer itself. */
export function unaryRoute<I extends DescMessage, O extends DescMessage>(
  { path, describe }: LateMethod<DescMethodUnary<I, O>>,
  handler: (
    request: MessageShape<I>,
    call: Call,
  ) => Promise<MessageInitShape<O> | Buffer> | MessageInitShape<O> | Buffer,
  options: UnaryOptions<I> = {},
): Route {
  const { decode = decodeMessage, memory } = options;
  const handle = async (c: EdgeContext): Promise<Response> => {
    const codec = codecOf(c);
    if (!codec) return unsupportedContentType(c, Object.keys(CONTENT_TYPES));
    const call = readCall(c, codec, { ownsDeadline: false });
    const isGzip = isGzipRequest(c.req.header("content-encoding"));
    const body = await readBody(c.env.incoming, MAX_MESSAGE_BYTES, memory && ((bytes) => memory.take(bytes)));
    const method = describe();
    const request = decode(method.input, codec, isGzip ? await decompress(body) : body);
    const output = await handler(request, call);
    memory?.give(body);
    const answer = Buffer.isBuffer(output) ? output : encodeMessage(method.output, codec, output);
    return reply(c, answer, codec, isGzip);
  };
  return { method: "POST", path, family: "rpc", access: "token", handle };
}

function codecOf(c: EdgeContext): Codec | undefined {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  return type === undefined ? undefined : CONTENT_TYPES[type];
}

async function reply(c: EdgeContext, answer: Buffer, codec: Codec, wasGzip: boolean): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": `application/${codec}`, "Accept-Encoding": "gzip" };
  const accepts = c.req.header("accept-encoding");
  const isWorth = answer.length >= MIN_GZIP_BYTES && (acceptsGzip(accepts) || (wasGzip && accepts === undefined));
  if (isWorth) headers["Content-Encoding"] = "gzip";
  const body = isWorth ? await deflate(answer, { level: 1 }) : answer;
  headers["Content-Length"] = String(body.length);
  // Not through the context, which makes a `Headers` object of them: that costs more than the rest of a small answer.
  return new Response(bodyBytes(body), { headers });
}
