import type { Random } from "../random.ts";
import type { Finish } from "./raw-http.ts";

interface Message {
  httpMethod: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** A request as bytes. */
interface Transfer {
  pieces: readonly Buffer[];
  finish: Finish;
  /** What of the body belongs to the request. */
  body: Buffer;
  isBroken: boolean;
  fault: string | undefined;
}

type Way = (random: Random, message: Message) => Omit<Transfer, "pieces"> & { bytes: Buffer };

const whole = { finish: "open", isBroken: false, fault: undefined } as const;

const WAYS: Readonly<Record<string, Way>> = {
  withLength: (_random, message) => ({ ...whole, body: message.body, bytes: sized(message, message.body.length) }),

  inChunks: (random, message) => ({
    ...whole,
    body: message.body,
    bytes: chunked(message, `${chunksOf(message.body, random)}0\r\n\r\n`),
  }),

  /** The body is shorter than announced, then the connection ends. */
  cutShort: (random, message) => ({
    body: message.body,
    bytes: sized(message, message.body.length + 1 + random.below(1000)),
    finish: random.chance(0.7) ? "half-close" : "reset",
    isBroken: true,
    fault: "the body is not whole",
  }),

  /** More comes than was announced, which is no request. */
  tooLong: (_random, message) => ({
    ...whole,
    body: message.body,
    bytes: Buffer.concat([sized(message, message.body.length), Buffer.from("\0 garbage\r\n\r\n")]),
    isBroken: true,
  }),

  /** The last chunk never comes. */
  withoutLastChunk: (random, message) => ({
    body: message.body,
    bytes: chunked(message, chunksOf(message.body, random)),
    finish: random.chance(0.7) ? "half-close" : "reset",
    isBroken: true,
    fault: "the last chunk is missing",
  }),

  withBadChunk: (random, message) => ({
    body: message.body,
    bytes: chunked(
      message,
      `${chunksOf(message.body, random)}${random.pick(["zz", "-1", "ffffffffffffffffff", "", "1", " "])}\r\n\r\n0\r\n\r\n`,
    ),
    finish: "half-close",
    isBroken: true,
    fault: "a chunk is none",
  }),

  withTwoLengths: (_random, message) => ({
    body: message.body,
    bytes: Buffer.concat([
      head(message, { "Content-Length": String(message.body.length), "Transfer-Encoding": "chunked" }),
      message.body,
    ]),
    finish: "half-close",
    isBroken: true,
    fault: "a length and chunks",
  }),

  /** The connection ends in the headers. */
  cutInHeaders: (random, message) => {
    const headers = head(message, {});
    return {
      body: message.body,
      bytes: headers.subarray(0, random.below(headers.length - 4)),
      finish: "half-close",
      isBroken: true,
      fault: "the headers are not whole",
    };
  },
};

const BROKEN = Object.entries(WAYS).flatMap(([name, way]) => (["withLength", "inChunks"].includes(name) ? [] : [way]));

/** Decides how a request travels: mostly well, in any number of pieces. */
export function transferOf(random: Random, message: Message, isPlain: boolean): Transfer {
  const { withLength, inChunks } = WAYS as { withLength: Way; inChunks: Way };
  const isWell = isPlain || message.httpMethod !== "POST" || random.chance(0.9);
  const way = isWell ? (random.chance(0.7) ? withLength : inChunks) : random.pick(BROKEN);
  const { bytes, ...rest } = way(random, message);
  return { ...rest, pieces: random.chance(0.85) ? [bytes] : piecesOf(bytes, random) };
}

function piecesOf(bytes: Buffer, random: Random): Buffer[] {
  const places = Array.from({ length: 1 + random.below(4) }, () => random.below(bytes.length)).toSorted(
    (a, b) => a - b,
  );
  return [0, ...places]
    .map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
    .filter((piece) => piece.length > 0);
}

function head({ httpMethod, path, headers }: Message, more: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries({ Host: "127.0.0.1", ...headers, ...more }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`${httpMethod} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

function sized(message: Message, announced: number): Buffer {
  return Buffer.concat([head(message, { "Content-Length": String(announced) }), message.body]);
}

function chunked(message: Message, latin1: string): Buffer {
  return Buffer.concat([head(message, { "Transfer-Encoding": "chunked" }), Buffer.from(latin1, "latin1")]);
}

/** The body in chunks, without the last one. */
function chunksOf(body: Buffer, random: Random): string {
  let text = "";
  for (let at = 0; at < body.length;) {
    const size = Math.min(body.length - at, 1 + random.below(random.pick([4, 100, 100_000])));
    // Chunks of a few bytes in a long body would be all that the test does.
    const taken = body.length > 2000 ? Math.min(body.length - at, Math.max(size, 1000)) : size;
    text += `${taken.toString(16)}\r\n${body.toString("latin1", at, at + taken)}\r\n`;
    at += taken;
  }
  return text;
}
