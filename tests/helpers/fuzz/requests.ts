import { gzipSync } from "node:zlib";
import type { JsonValue } from "@bufbuild/protobuf";
import { envelope } from "../../unit/edge/connect/wire-client.ts";
import type { Random } from "../random.ts";
import { asBinary, asJson, type Company, type Rpc, RPCS } from "./messages.ts";
import { mutateBinary, mutateBytes, mutateJson, mutateJsonText } from "./mutations.ts";
import { type Codec, isDangerous, type Reading, readStream, readUnary } from "./oracle.ts";
import type { Finish } from "./raw-http.ts";
import { transferOf } from "./transfers.ts";

/** A request of the fuzzer's, with what is known about it. */
export interface FuzzRequest {
  index: number;
  rpc: Rpc;
  codec: Codec;
  isStream: boolean;
  httpMethod: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
  /** The bytes to send. */
  pieces: readonly Buffer[];
  finish: Finish;
  /** HTTP itself is broken, or the request is not whole: the connection must not be used again. */
  isBroken: boolean;
  /** Why this must not succeed; undefined when it may. */
  fault: string | undefined;
}

/** Chances that each part is as it should be. */
const PLAIN = { message: 0.55, envelope: 0.8, headers: 0.75, target: 0.98 };

const AUTHORIZATIONS = ["nobody:", "nobody:secret", "ghost:", ":", "\u0000", "nobody"].map(
  (text) => `Basic ${Buffer.from(text).toString("base64")}`,
);
const ODD_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["Connect-Protocol-Version", "1"],
  ["Connect-Protocol-Version", "2"],
  ["Connect-Protocol-Version", ""],
  ["Connect-Timeout-Ms", "0"],
  ["Connect-Timeout-Ms", "-1"],
  ["Connect-Timeout-Ms", "1"],
  ["Connect-Timeout-Ms", "1e3"],
  ["Connect-Timeout-Ms", "99999999999"],
  ["Connect-Timeout-Ms", ""],
  ["Keepalive-Ping-Interval", "0"],
  ["Keepalive-Ping-Interval", "-99999999999999999999"],
  ["Keepalive-Ping-Interval", "1e9"],
  ["Accept-Encoding", "gzip, deflate"],
  ["Connect-Accept-Encoding", "gzip"],
  ["Connect-Accept-Encoding", "br;q=1, gzip;q=0"],
  ["Connect-Content-Encoding", "gzip"],
  ["Connect-Content-Encoding", "br"],
  ["Connect-Content-Encoding", "identity"],
  ["Content-Encoding", "gzip"],
  ["Content-Encoding", "br"],
  ["User-Agent", "connect-python"],
  ["Traceparent", "00-00000000000000000000000000000000-0000000000000000-00"],
  ...AUTHORIZATIONS.map((value) => ["Authorization", value] as const),
  ["Authorization", "Bearer x"],
  ["Authorization", "Basic"],
  ["Authorization", "Basic ====="],
];
const CONTENT_TYPES = [
  "application/json",
  "application/json; charset=utf-8",
  "application/proto",
  "application/connect+json",
  "application/connect+json; charset=utf-8",
  "application/connect+proto",
  "application/grpc",
  "APPLICATION/JSON",
  "text/plain",
  ";",
  "",
];
/** A stream that would never end by itself ends by these; nothing waits for a timeout that is longer. */
const TIMEOUT_MS: Readonly<Record<string, string>> = { Start: "3000", Connect: "30" };
const OTHER_TIMEOUT_MS = "500";

/** Makes the request number `index` of a sequence: the same for the same seed and company. */
export function makeRequest(random: Random, index: number, company: Company): FuzzRequest {
  const own = random.fork(index);
  let request: FuzzRequest | undefined;
  // Only programs that do nothing are ever started: another draft instead.
  while (!request) request = draft(own, index, company);
  return request;
}

function draft(random: Random, index: number, company: Company): FuzzRequest | undefined {
  const rpc = random.pick(RPCS);
  const codec: Codec = random.chance(0.6) ? "json" : "proto";
  const isStream = rpc.method.methodKind !== "unary";
  const headers: Record<string, string> = {
    "Content-Type": `application/${isStream ? "connect+" : ""}${codec}`,
    "Connect-Timeout-Ms": TIMEOUT_MS[rpc.method.name] ?? OTHER_TIMEOUT_MS,
  };
  const isPlain = random.chance(0.1);
  const body = bodyOf(random, { rpc, codec, isStream, isPlain, headers, company });
  if (!isPlain && !random.chance(PLAIN.headers)) {
    for (let count = 1 + random.below(2); count > 0; count -= 1) {
      const [name, value] = random.pick(ODD_HEADERS);
      headers[name] = value;
    }
    if (random.chance(0.15)) headers["Content-Type"] = random.pick(CONTENT_TYPES);
  }
  const isOnTarget = isPlain || random.chance(PLAIN.target);
  const httpMethod = isOnTarget ? "POST" : random.pick(["GET", "PUT", "DELETE", "OPTIONS", "POST"]);
  const name = `/process.Process/${rpc.method.name}`;
  const path = isOnTarget
    ? name
    : random.pick([name, `${name}/`, "/process.Process/", "/process.Process/Nope", `/${name}`]);
  const transfer = transferOf(random, { httpMethod, path, headers, body }, isPlain);
  const reading = readingOf(rpc, { codec, isStream, headers, body: transfer.body });
  if (isDangerous(reading.messages)) return undefined;
  const fault = transfer.fault ?? faultOf(rpc, reading) ?? headerFault(headers, isStream);
  return { index, rpc, codec, isStream, httpMethod, path, headers, ...transfer, fault };
}

interface BodyPlan {
  rpc: Rpc;
  codec: Codec;
  isStream: boolean;
  isPlain: boolean;
  /** Gets what the body needs. */
  headers: Record<string, string>;
  company: Company;
}

function bodyOf(random: Random, { rpc, codec, isStream, isPlain, headers, company }: BodyPlan): Buffer {
  const { input } = rpc.method;
  const payloads = rpc.messages(random, company).map((init) => {
    if (codec === "proto") return mutatedBinary(asBinary(input, init), random, isPlain);
    const text = JSON.stringify(mutatedJson(asJson(input, init), random, isPlain));
    return isPlain || random.chance(0.8) ? Buffer.from(text) : mutateJsonText(text, random);
  });
  const isGzip = random.chance(0.1);
  if (isGzip) headers[isStream ? "Connect-Content-Encoding" : "Content-Encoding"] = "gzip";
  const pack = (payload: Buffer): Buffer => (isGzip ? gzipSync(payload, { level: 1 }) : payload);
  const isWhole = isPlain || random.chance(PLAIN.envelope);
  if (!isStream) {
    const body = pack(payloads[0] ?? Buffer.alloc(0));
    return isWhole ? body : mutateBytes(body, random);
  }
  const envelopes = payloads.map((payload) => {
    const whole = envelope(pack(payload), isGzip ? 1 : 0);
    return isWhole || random.chance(0.5) ? whole : mutatedEnvelope(whole, random);
  });
  if (!isWhole && random.chance(0.2))
    envelopes.push(random.pick([envelopes[0] ?? Buffer.alloc(0), envelope(""), envelope("{}", 2)]));
  // More than fits into the buffers on the way: it is still coming when the answer is there.
  if (!isWhole && random.chance(0.1)) envelopes.push(envelope(Buffer.alloc(400_000)));
  const body = Buffer.concat(envelopes);
  return isWhole || random.chance(0.7) ? body : mutateBytes(body, random);
}

/** With any number of mutations, one after the other. */
function mutatedJson(json: JsonValue, random: Random, isPlain: boolean): JsonValue {
  if (isPlain || random.chance(PLAIN.message)) return json;
  return mutatedJson(mutateJson(json, random), random, false);
}

function mutatedBinary(bytes: Buffer, random: Random, isPlain: boolean): Buffer {
  if (isPlain || random.chance(PLAIN.message)) return bytes;
  return mutatedBinary(random.chance(0.6) ? mutateBinary(bytes, random) : mutateBytes(bytes, random), random, false);
}

/** An envelope whose length or flags are not those of its message. */
function mutatedEnvelope(whole: Buffer, random: Random): Buffer {
  const size = whole.length - 5;
  const sizes = [size - 1, size + 1, size + 256, 0, 64 * 2 ** 20, 64 * 2 ** 20 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
  const result = Buffer.from(whole);
  const change = random.below(5);
  if (change === 0) result[0] = random.pick([1, 2, 3, 4, 8, 127, 128, 255]);
  else if (change === 1) return result.subarray(0, random.below(whole.length));
  else if (change === 2) return Buffer.concat([result, random.bytes(1 + random.below(8))]);
  else result.writeUInt32BE(Math.max(0, random.pick(sizes)), 1);
  return result;
}

function readingOf(
  rpc: Rpc,
  {
    codec,
    isStream,
    headers,
    body,
  }: { codec: Codec; isStream: boolean; headers: Record<string, string>; body: Buffer },
): Reading {
  const { input } = rpc.method;
  // Its own codec, unless the header names the other one.
  const spoken = /proto/i.test(headers["Content-Type"] ?? "")
    ? "proto"
    : /json/i.test(headers["Content-Type"] ?? "")
      ? "json"
      : codec;
  if (isStream) return readStream(input, spoken, body, headers["Connect-Content-Encoding"] === "gzip");
  return readUnary(input, spoken, body, headers["Content-Encoding"] === "gzip");
}

function faultOf({ method }: Rpc, { fault, messages }: Reading): string | undefined {
  if (fault !== undefined || method.methodKind !== "server_streaming") return fault;
  return messages.length === 1 ? undefined : `${messages.length} messages`;
}

function headerFault(headers: Readonly<Record<string, string>>, isStream: boolean): string | undefined {
  const coding = headers[isStream ? "Connect-Content-Encoding" : "Content-Encoding"];
  if (coding === "br") return "an unknown coding";
  const version = headers["Connect-Protocol-Version"];
  if (version !== undefined && version !== "1") return "another version of the protocol";
  if (!/^\d{1,10}$/.test(headers["Connect-Timeout-Ms"] ?? "1")) return "no timeout";
  if (headers["Authorization"] === AUTHORIZATIONS[2]) return "an unknown user";
  return undefined;
}
