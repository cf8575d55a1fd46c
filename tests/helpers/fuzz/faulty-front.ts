import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { answerMalformed } from "../../../src/edge/malformed-requests.ts";

/** A server in front of a daemon that reads requests itself before it passes them on. */
export interface FaultyFront extends AsyncDisposable {
  readonly port: number;
}

/** A mistake such as parsers have: takes a body for what it is not, throws, or spoils what it passes on. */
export type Mistake = (body: Buffer, what: { isStream: boolean; isJson: boolean }) => Buffer;

const PREFIX_BYTES = 5;

/** None at all: the front itself must not be what the fuzzer finds. */
export const NO_MISTAKE: Mistake = (body) => body;

export const MISTAKES: Readonly<Record<string, Mistake>> = {
  "lengths are signed": (body, { isStream }) => {
    if (!isStream) return body;
    for (let at = 0; at + PREFIX_BYTES <= body.length;) {
      const size = body.readInt32BE(at + 1);
      if (size < 0) throw new RangeError(`cannot allocate ${size} bytes`);
      at += PREFIX_BYTES + size;
    }
    return body;
  },

  "the end of a body that ends in a message is dropped": (body, { isStream }) => {
    let at = 0;
    if (!isStream) return body;
    while (at + PREFIX_BYTES <= body.length) {
      const end = at + PREFIX_BYTES + body.readUInt32BE(at + 1);
      if (end > body.length) break;
      at = end;
    }
    return body.subarray(0, at);
  },

  "null is taken for an object": (body, { isStream, isJson }) => {
    if (isStream || !isJson) return body;
    let message: { process?: object } | null = {};
    try {
      message = JSON.parse(body.toString("utf8")) as { process?: object } | null;
    } catch {
      // no JSON: the daemon says so
    }
    if (message?.process !== undefined) Object.keys(message.process);
    return body;
  },
};

/** Starts a front that makes one mistake. What it throws is answered as servers do with bugs: `internal`. */
export async function startFaultyFront(daemonUrl: string, mistake: Mistake): Promise<FaultyFront> {
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  answerMalformed(server, {}, () => undefined);
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const type = incoming.headers["content-type"] ?? "";
    const body = await buffer(incoming);
    const what = { isStream: type.includes("connect+"), isJson: type.includes("json") };
    let passed: Buffer;
    try {
      passed = mistake(body, what);
    } catch {
      return answerBug(outgoing, type, what.isStream);
    }
    await passOn(daemonUrl, incoming, outgoing, passed);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerBug(outgoing: ServerResponse, type: string, isStream: boolean): void {
  const error = JSON.stringify({ code: "internal", message: "internal error" });
  if (!isStream) {
    outgoing.writeHead(500, { "Content-Type": "application/json" }).end(error);
    return;
  }
  const frame = Buffer.from(`\u0002\0\0\0\0{"error":${error}}`, "latin1");
  frame.writeUInt32BE(frame.length - PREFIX_BYTES, 1);
  outgoing.writeHead(200, { "Content-Type": type.split(";")[0] }).end(frame);
}

async function passOn(
  daemonUrl: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  body: Buffer,
): Promise<void> {
  const { host: _host, connection: _connection, "transfer-encoding": _coding, ...headers } = incoming.headers;
  const target = new URL(daemonUrl);
  const inner = request({
    host: target.hostname,
    port: target.port,
    // As it came: another form of the path would be another request.
    path: incoming.url,
    method: incoming.method,
    headers: { ...headers, "content-length": body.length },
    agent: false,
  });
  inner.end(body);
  const [reply] = (await once(inner, "response")) as [IncomingMessage];
  const answer = await buffer(reply);
  const { connection: _kept, "keep-alive": _time, "transfer-encoding": _chunks, ...answerHeaders } = reply.headers;
  outgoing.writeHead(reply.statusCode ?? 0, { ...answerHeaders, "content-length": answer.length }).end(answer);
}
