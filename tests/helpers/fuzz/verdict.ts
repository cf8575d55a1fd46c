import type { Message } from "@bufbuild/protobuf";
import type { ConnectResponse } from "../../../src/contracts/gen/process_pb.js";
import { type Codec, decode, inflate } from "./oracle.ts";
import type { RawReply } from "./raw-http.ts";
import type { FuzzRequest } from "./requests.ts";

/** What an answer was, for counting; `fault` says why it is wrong. */
export interface Verdict {
  outcome: string;
  fault: string | undefined;
}

/** Codes that callers may meet, with their HTTP status. The rest (`internal`, `unknown`, `data_loss`) would be bugs. */
const STATUS: Readonly<Record<string, number>> = {
  canceled: 499,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  unavailable: 503,
  unauthenticated: 401,
};

/** Judges the answer to a request: that it is one of the protocol's, and not a success where there can be none. */
export function judge(request: FuzzRequest, reply: RawReply | undefined): Verdict {
  if (!reply) {
    return { outcome: "closed", fault: request.isBroken ? undefined : "the connection was closed without an answer" };
  }
  const verdict = judgeReply(request, reply);
  if (verdict.fault === undefined && verdict.outcome === "ok" && request.fault !== undefined) {
    return { outcome: "ok", fault: `success although: ${request.fault}` };
  }
  const isReadable = !request.isBroken && request.fault === undefined;
  if (isReadable && reply.body.includes("unmarshal message"))
    return { outcome: verdict.outcome, fault: `a valid message was refused: ${show(reply.body)}` };
  if (verdict.outcome === "canceled" && !request.isBroken)
    return { outcome: "canceled", fault: "nobody canceled this" };
  return verdict;
}

function judgeReply(request: FuzzRequest, reply: RawReply): Verdict {
  const { status, headers, body } = reply;
  const type = headers.get("content-type") ?? "";
  const outcome = `http ${status}`;
  // What cannot be read as HTTP is refused before anything knows whose error it is to be.
  if (request.isBroken && [400, 408, 413].includes(status) && parse(body)["code"] === status)
    return { outcome, fault: undefined };
  if (status === 404 && type.startsWith("text/plain")) return { outcome, fault: pathFault(request) };
  if (status === 405) {
    const isRight = request.httpMethod !== "POST" && headers.get("allow") === "POST";
    return { outcome, fault: isRight ? undefined : "405 for POST, or without Allow: POST" };
  }
  if (status === 415) {
    const accepted = headers.get("accept-post")?.split(", ") ?? [];
    const asked = request.headers["Content-Type"]?.split(";")[0]?.toLowerCase() ?? "";
    const isRight = accepted.length === 2 && !accepted.includes(asked);
    return { outcome, fault: isRight ? undefined : `415 for ${asked}, Accept-Post is ${accepted.join()}` };
  }
  if (status === 200 && type.startsWith("application/connect+")) return judgeStream(request, reply, type);
  if (status === 200) return judgeAnswer(request, reply, type);
  return judgeError(status, type, body);
}

function pathFault({ path, rpc }: FuzzRequest): string | undefined {
  return path === `/process.Process/${rpc.method.name}` ? "404 for a path that exists" : undefined;
}

/** A unary answer. */
function judgeAnswer({ rpc }: FuzzRequest, { headers, body }: RawReply, type: string): Verdict {
  const codec = { "application/json": "json", "application/proto": "proto" }[type] as Codec | undefined;
  if (!codec) return { outcome: "ok", fault: `a success of type ${JSON.stringify(type)}` };
  try {
    decode(rpc.method.output, codec, headers.get("content-encoding") === "gzip" ? inflate(body) : body);
    return { outcome: "ok", fault: undefined };
  } catch (error) {
    return { outcome: "ok", fault: `the answer cannot be read: ${String(error)}` };
  }
}

function judgeError(status: number, type: string, body: Buffer): Verdict {
  const error = parse(body);
  const code = error["code"];
  if (typeof code !== "string")
    return { outcome: `http ${status}`, fault: `${status} without an error of the protocol: ${show(body)}` };
  return { outcome: code, fault: type === "application/json" ? errorFault(error, status) : `an error of type ${type}` };
}

/** @param status undefined where the error is in a frame */
function errorFault(error: Record<string, unknown>, status?: number): string | undefined {
  const { code, message } = error;
  // The contract's own code for a size that a program on pipes is given (§3.7).
  if (code === "internal" && message === "error resizing tty: tty not assigned to process") return undefined;
  const expected = STATUS[String(code)];
  if (expected === undefined) return `an error of code ${JSON.stringify(code)}: ${JSON.stringify(message)}`;
  if (status !== undefined && status !== expected) return `status ${status} for ${String(code)}`;
  if (typeof message !== "string" || message === "") return `${String(code)} without a message`;
  return undefined;
}

function judgeStream(request: FuzzRequest, reply: RawReply, type: string): Verdict {
  const { headers, body } = reply;
  const codec = { "application/connect+json": "json", "application/connect+proto": "proto" }[type] as Codec | undefined;
  if (!codec) return { outcome: "ok", fault: `a stream of type ${JSON.stringify(type)}` };
  const isGzip = headers.get("connect-content-encoding") === "gzip";
  const messages: Message[] = [];
  let rest = body;
  try {
    while (rest.length > 0) {
      const flags = rest.readUInt8(0);
      const end = 5 + rest.readUInt32BE(1);
      if (rest.length < end) return { outcome: "ok", fault: "the answer ends in a frame" };
      if ((flags & 1) !== Number(isGzip)) return { outcome: "ok", fault: `a frame with flags ${flags}` };
      const payload = isGzip ? inflate(rest.subarray(5, end)) : rest.subarray(5, end);
      rest = rest.subarray(end);
      if (flags < 2) messages.push(decode(request.rpc.method.output, codec, payload));
      else if (rest.length > 0) return { outcome: "ok", fault: `${rest.length} bytes behind the last frame` };
      else return judgeEnd(request, messages, payload);
    }
  } catch (error) {
    return { outcome: "ok", fault: `a frame cannot be read: ${String(error)}` };
  }
  return { outcome: "ok", fault: "the answer has no last frame" };
}

function judgeEnd({ rpc }: FuzzRequest, messages: readonly Message[], payload: Buffer): Verdict {
  const end = parse(payload);
  const error = end["error"] as Record<string, unknown> | undefined;
  const order = rpc.method.methodKind === "server_streaming" ? orderFault(messages, error !== undefined) : undefined;
  if (error) return { outcome: String(error["code"]), fault: errorFault(error) ?? order };
  if (rpc.method.methodKind === "client_streaming" && messages.length !== 1)
    return { outcome: "ok", fault: `${messages.length} answers to one request` };
  return { outcome: "ok", fault: order };
}

/** start, then data and keepalives, then one end: unless an error cut it off. */
function orderFault(messages: readonly Message[], hasError: boolean): string | undefined {
  const cases = messages.map((message) => (message as ConnectResponse).event?.event.case ?? "nothing");
  const text = cases.join(" ");
  const pattern = hasError ? /^(start( (data|keepalive))*)?$/ : /^start( (data|keepalive))* end$/;
  return pattern.test(text) ? undefined : `the events were: ${text.slice(0, 200)}`;
}

function parse(bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {}; // the caller finds nothing in it and says so
  }
}

function show(bytes: Buffer): string {
  return JSON.stringify(bytes.toString("latin1").slice(0, 200));
}
