import { type IncomingMessage, type Server, type ServerOptions, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { RequestError } from "@hono/node-server";
import { SandboxError } from "../errors.ts";
import { httpStatus, publicError, restErrorBody } from "./errors.ts";

/** Closing on bytes that nobody has read resets the connection, and the client loses our answer: this long we let it go on. */
const LINGER_MS = 2000;
/** What is shown of a client's own words. */
const SHOWN_CHARS = 200;
const HEADERS = { "Content-Type": "application/json; charset=utf-8", "X-Content-Type-Options": "nosniff" };
const SPOKEN = "guestd speaks HTTP/1.1, without TLS";

/** What Node's parser throws at. */
export interface ParserError extends Error {
  code?: string;
  /** In the parser's own words. */
  reason?: string;
  bytesParsed?: number;
  rawPacket?: Buffer;
}

export type RequestLimits = Pick<ServerOptions, "maxHeaderSize" | "headersTimeout">;

/**
 * Has `server` say why to whoever sends what is no request, instead of a bare status. Which route was meant is not known by then, so all
 * of it has the form of `/files`. `refused` is called with each error that is answered.
 */
export function answerMalformed(server: Server, limits: RequestLimits, refused: (error: SandboxError) => void): void {
  const answers = new WeakMap<Socket, ServerResponse>();
  const refusedSockets = new WeakSet<Socket>();
  server.prependListener("request", (request, answer) => answers.set(request.socket, answer));
  server.on("checkExpectation", (request: IncomingMessage, answer: ServerResponse) => {
    const error = unreadable(`cannot meet the expectation ${shown(request.headers.expect ?? "")}`, {
      reason: "expectation_failed",
      hint: "leave out Expect, or send 100-continue",
    });
    refused(error);
    answer.writeHead(httpStatus(error), { ...HEADERS, Connection: "close" }).end(bodyOf(error));
  });
  server.on("clientError", (thrown: ParserError, socket: Socket) => {
    if (refusedSockets.has(socket)) return; // more of the same
    refusedSockets.add(socket);
    const error = describe(thrown, limits);
    const answer = answers.get(socket);
    const isUnderWay = answer !== undefined && !answer.writableFinished;
    if (!error || !socket.writable || (isUnderWay && answer.headersSent)) return void socket.destroy(thrown);
    refused(error);
    socket.end(rawAnswer(error));
    // Whoever takes the body of the request learns that it has no end.
    if (isUnderWay) return socket.destroySoon();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once("close", () => clearTimeout(timer));
  });
}

/** The answer to a request whose headers can be read but mean nothing, and to what is thrown outside the app. */
export function answerUnroutable(thrown: unknown, refused: (error: SandboxError) => void): Response {
  const error =
    thrown instanceof RequestError
      ? unreadable(`request refused: ${thrown.message}`, {
          hint: "send a Host header and a target that begins with /, both as URLs have them",
          cause: thrown,
        })
      : publicError(thrown);
  refused(error);
  return new Response(bodyOf(error), { status: httpStatus(error), headers: HEADERS });
}

/** undefined for a connection that is simply gone. */
function describe(error: ParserError, { maxHeaderSize, headersTimeout = 0 }: RequestLimits): SandboxError | undefined {
  const { code = "", reason = "unknown" } = error;
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return unreadable(`the headers are larger than ${maxHeaderSize} bytes`, {
        reason: "headers_too_large",
        hint: "what is long belongs in the body",
        cause: error,
      });
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return unreadable(`the headers did not arrive within ${headersTimeout / 1000} s`, {
        reason: "headers_timeout",
        cause: error,
      });
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return unreadable("the chunk extensions are too large", { reason: "body_too_large", cause: error });
    case "HPE_INVALID_URL":
      return badTarget(error);
    default:
      if (!code.startsWith("HPE_")) return undefined;
      return unreadable(`cannot read the request: ${reason}${placeOf(error)}`, { hint: SPOKEN, cause: error });
  }
}

function badTarget(error: ParserError): SandboxError {
  const bytes = wordAt(error, /[ \r\n]/);
  const text = bytes.toString("utf8");
  // What is escaped already stays so.
  const encoded = bytes
    .toString("latin1")
    .replaceAll(/[^!-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`);
  return unreadable(`the target ${shown(text)} has characters that no URL has`, {
    hint: `send it percent-encoded: ${encoded.slice(0, SHOWN_CHARS)}`,
    cause: error,
  });
}

/** Where the parser stopped: the first word of a line. What follows the name of a header may be a secret. */
function placeOf(error: ParserError): string {
  if (/CHUNK|EOF|BODY/.test(error.code ?? "")) return "";
  const word = /^[!-9;-~]*/.exec(wordAt(error, /[\r\n]/).toString("latin1"))?.[0] ?? "";
  return word === "" ? "" : ` at ${shown(word)}`;
}

/** The bytes around the place where the parser stopped, up to an `edge` on each side. */
function wordAt({ rawPacket = Buffer.alloc(0), bytesParsed = 0 }: ParserError, edge: RegExp): Buffer {
  const text = rawPacket.toString("latin1");
  let [start, end] = [bytesParsed, bytesParsed];
  while (start > 0 && !edge.test(text.charAt(start - 1))) start -= 1;
  while (end < text.length && !edge.test(text.charAt(end))) end += 1;
  return rawPacket.subarray(start, end);
}

function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
}

function unreadable(message: string, details: ConstructorParameters<typeof SandboxError>[2]): SandboxError {
  return new SandboxError("invalid_argument", message, details);
}

function bodyOf(error: SandboxError): string {
  return restErrorBody(httpStatus(error), error.hint === undefined ? error.message : `${error.message}; ${error.hint}`);
}

function rawAnswer(error: SandboxError): string {
  const status = httpStatus(error);
  const body = bodyOf(error);
  const headers = { ...HEADERS, "Content-Length": Buffer.byteLength(body), Connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`;
}
