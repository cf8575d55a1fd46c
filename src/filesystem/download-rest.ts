import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGzip, gzip } from "node:zlib";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { pumpBytes } from "../edge/http/byte-pump.ts";
import { type Representation, represent } from "../edge/http/representation.ts";
import { pump } from "../edge/pump.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { SandboxError } from "../errors.ts";
import type { Downloads, OpenFile } from "./downloads.ts";
import type { Caller } from "./filesystem.ts";

/** Headers that decide which part of a file is sent, if any. */
/** What a client asks with later. */
export const VALIDATORS = { ETag: "a strong one; it changes with the content", "Last-Modified": "when it last did" };
export const PART_HEADERS = { ...VALIDATORS, "Content-Range": "where it is in the file, and how long that is" };

export const READ_HEADERS = {
  "If-None-Match": "ETags of copies that the client has",
  "If-Modified-Since": "the date of a copy that the client has",
  "If-Match": "ETag of the only state that will do",
  "If-Unmodified-Since": "a date",
  Range: "which bytes, as bytes=0-99",
  "If-Range": "ETag or date of what the client has the rest of",
};

/** Text at several times the speed of the usual level, hardly larger. */
const GZIP_LEVEL = 1;
const READ_BYTES = 64 * 1024;

const compress = promisify(gzip);

/** Answers `GET` and `HEAD /files`. */
export async function download(c: EdgeContext, downloads: Downloads, path: string, caller: Caller): Promise<Response> {
  const { outgoing } = c.env;
  outgoing.setHeader("Vary", "Accept-Encoding");
  await using file = await downloads.open(path, caller);
  const answer = choose(c, file);
  if (c.req.method === "HEAD" || answer.status === 304) return c.body(null, answer.status, answer.headers);
  try {
    await send(c, file, answer);
  } catch (error) {
    if (!outgoing.headersSent) throw error;
    c.var.request.fail(error);
    // What was sent cannot be unsaid: the client must see that it is not all.
    outgoing.destroy();
  }
  return RESPONSE_ALREADY_SENT;
}

function choose(c: EdgeContext, file: OpenFile): Representation {
  try {
    return represent(file, (name) => c.req.header(name));
  } catch (error) {
    if (error instanceof SandboxError && error.reason === "range_not_satisfiable") {
      c.env.outgoing.setHeader("Content-Range", `bytes */${file.sizeBytes ?? 0}`);
    }
    throw error;
  }
}

async function send(c: EdgeContext, file: OpenFile, answer: Representation): Promise<void> {
  const { outgoing } = c.env;
  const { status, headers, pieces } = answer;
  if (file.isWhole) {
    const parts = pieces?.map((piece) =>
      Buffer.isBuffer(piece) ? piece : file.head.subarray(piece.start, piece.end),
    ) ?? [file.head];
    const plain = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    const body = answer.coding === "gzip" ? await compress(plain, { level: GZIP_LEVEL }) : plain;
    outgoing.writeHead(status, { ...headers, "Content-Length": body.length });
    outgoing.end(body);
  } else if (pieces) {
    outgoing.writeHead(status, headers);
    await pumpBytes((buffer, position) => file.read(buffer, position), pieces, outgoing);
  } else {
    const content = everything(file);
    await pump(answer.coding === "gzip" ? compressed(content) : content, outgoing, { status, headers });
  }
}

/** The whole file from its beginning, as far as it was to go; with no size known, as far as it goes. */
async function* everything(file: OpenFile): AsyncGenerator<Buffer> {
  yield file.head;
  for (let sent = file.head.length; file.sizeBytes === undefined || sent < file.sizeBytes;) {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const length = await file.read(buffer, null);
    if (length === 0 && file.sizeBytes === undefined) return;
    if (length === 0) throw new SandboxError("aborted", `file '${file.name}' became shorter while it was read`);
    const wanted = Math.min(length, (file.sizeBytes ?? Number.POSITIVE_INFINITY) - sent);
    yield buffer.subarray(0, wanted);
    sent += wanted;
  }
}

async function* compressed(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const deflater = createGzip({ level: GZIP_LEVEL, chunkSize: READ_BYTES });
  const feeding = pipeline(content, deflater);
  // A failure reaches the reader of `deflater` first.
  feeding.catch(() => undefined);
  try {
    yield* deflater as AsyncIterable<Buffer>;
  } finally {
    deflater.destroy();
  }
}
