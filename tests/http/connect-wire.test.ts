import { connect as connectSocket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import {
  endError,
  envelope,
  eventOf,
  framesOf,
  JSON_STREAM,
  JSON_UNARY,
  send,
  shell,
  type WireReply,
  type WireRequest,
} from "../unit/edge/connect/wire-client.ts";

/** Where the streams of a reply begin when nothing was sent before. */
const NO_OFFSETS = { stdout: "0", stderr: "0", pty: "0" };

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

const START = "/process.Process/Start";
const LIST = "/process.Process/List";
const ECHO = envelope(shell("echo hi"));

const request = (wire: WireRequest): Promise<WireReply> => send(daemon.url, wire);
const stream = (body: Uint8Array, headers: Record<string, string> = {}): Promise<WireReply> =>
  request({ path: START, headers: { ...JSON_STREAM, ...headers }, body });
describe("a stream", () => {
  test("is start, data, end and the last frame, in the type it was asked in, without parameters", async () => {
    for (const type of [
      "application/connect+json",
      "application/connect+json; charset=utf-8",
      "Application/Connect+JSON",
    ]) {
      const reply = await stream(ECHO, { "Content-Type": type });
      expect([reply.status, reply.headers["content-type"]]).toEqual([200, "application/connect+json"]);
      const frames = framesOf(reply.body);
      expect(frames.map(({ flags }) => flags)).toEqual([0, 0, 0, 2]);
      const [start, data, end, close] = frames.map(eventOf);
      expect(start).toEqual({ start: { pid: expect.any(Number) as number, offsets: NO_OFFSETS } });
      expect(data?.data).toMatchObject({ stdout: "aGkK" });
      expect(end).toEqual({ end: { exitCode: 0, exited: true, status: "exit status 0" } });
      expect(close).toEqual({ close: "ok" });
    }
  });

  test("says exit code 0 in so many words, and its last frame is an empty object", async () => {
    const { body } = await stream(ECHO);
    expect(body.toString("latin1")).toContain('"exitCode":0');
    expect(body.subarray(-7).toString("latin1")).toBe("\x02\0\0\0\x02{}");
  });

  test("is in protobuf when asked in protobuf", async () => {
    const reply = await request({
      path: START,
      headers: { "Content-Type": "application/connect+proto" },
      body: envelope(Buffer.from("0a060a0474727565", "hex")),
    });
    expect([reply.status, reply.headers["content-type"]]).toEqual([200, "application/connect+proto"]);
    expect(reply.body.subarray(-7).toString("latin1")).toBe("\x02\0\0\0\x02{}");
  });

  test("is compressed when the client knows gzip: every envelope, the last one too", async () => {
    const reply = await stream(ECHO, { "Connect-Accept-Encoding": "br, gzip" });
    expect(reply.headers["connect-content-encoding"]).toBe("gzip");
    expect(framesOf(reply.body).map(({ flags }) => flags)).toEqual([1, 1, 1, 3]);
    for (const none of ["identity", "br"]) {
      const plain = await stream(ECHO, { "Connect-Accept-Encoding": none });
      expect(plain.headers["connect-content-encoding"]).toBeUndefined();
      expect(plain.headers["connect-accept-encoding"]).toBe("gzip");
      expect(framesOf(plain.body).map(({ flags }) => flags)).toEqual([0, 0, 0, 2]);
    }
  });

  test("takes a compressed request, and `identity` for none", async () => {
    const packed = envelope(gzipSync(JSON.stringify(shell("echo packed"))), 1);
    expect(framesOf((await stream(packed, { "Connect-Content-Encoding": "gzip" })).body)).toHaveLength(4);
    expect(
      framesOf(
        (await stream(ECHO, { "Connect-Content-Encoding": "identity", "Connect-Accept-Encoding": "identity" })).body,
      ),
    ).toHaveLength(4);
  });
});

/** The error of a stream that holds nothing else. */
async function failure(
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ code: string; message: string } | undefined> {
  const reply = await stream(body, headers);
  expect([reply.status, reply.headers["content-type"]]).toEqual([200, "application/connect+json"]);
  const frames = framesOf(reply.body);
  expect(frames.map(({ flags }) => flags)).toEqual([2]);
  return endError(frames);
}

describe("a stream that fails before it begins", () => {
  test("is one last frame with the error, at status 200", async () => {
    expect(await failure(envelope(shell("true", { process: { cwd: "/nope" } })))).toEqual({
      code: "invalid_argument",
      message: "cwd '/nope' does not exist",
    });
  });

  test.each([
    ["no message", Buffer.alloc(0), "unimplemented", /zero messages/],
    [
      "an empty message",
      envelope(""),
      "invalid_argument",
      /^unmarshal message: .*zero-length payload is not a valid JSON object/,
    ],
    ["no JSON", envelope("{"), "invalid_argument", /^unmarshal message: /],
    ["a wrong type", envelope('{"process":7}'), "invalid_argument", /^unmarshal message: /],
    ["two messages", Buffer.concat([ECHO, ECHO]), "unimplemented", /multiple messages/],
    ["half a message", ECHO.subarray(0, 20), "invalid_argument", /incomplete envelope/],
    ["strange flags", envelope("{}", 8), "invalid_argument", /flags 8/],
    ["an unannounced compression", envelope(gzipSync("{}"), 1), "invalid_argument", /compress/],
    ["no command", envelope("{}"), "invalid_argument", /command/],
    ["a NUL in the command", envelope({ process: { cmd: "a\0b" } }), "invalid_argument", /NUL/],
    ["a NUL in an argument", envelope({ process: { cmd: "true", args: ["\0"] } }), "invalid_argument", /NUL/],
    [
      "a variable that cannot be",
      envelope({ process: { cmd: "true", envs: { "A=B": "c" } } }),
      "invalid_argument",
      /"A=B"/,
    ],
    [
      "somebody else's home",
      envelope(shell("true", { process: { cwd: "~ghost" } })),
      "invalid_argument",
      /cannot expand user-specific home dir/,
    ],
    [
      "a file for a directory",
      envelope(shell("true", { process: { cwd: "/etc/passwd" } })),
      "invalid_argument",
      /cwd '\/etc\/passwd'/,
    ],
    [
      "an argument longer than any",
      envelope({ process: { cmd: "echo", args: ["x".repeat(200_000)] } }),
      "invalid_argument",
      /argument list too long/,
    ],
  ])("because of %s", async (_name, body, code, message) => {
    const error = await failure(body);
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(message);
  });

  test("because of a coding nobody knows", async () => {
    expect(await failure(envelope("{}", 1), { "Connect-Content-Encoding": "br" })).toEqual({
      code: "unimplemented",
      message: 'unknown compression "br": supported encodings are gzip',
    });
  });

  test("because of a message beyond the limit, said or inflated", async () => {
    const huge = Buffer.from("0004000001", "hex");
    expect(await failure(huge)).toMatchObject({ code: "resource_exhausted" });
    const bomb = envelope(gzipSync(Buffer.alloc(65 * 1024 * 1024, " ")), 1);
    expect(await failure(bomb, { "Connect-Content-Encoding": "gzip" })).toMatchObject({ code: "resource_exhausted" });
  });

  test("because of a user that is no account", async () => {
    const headers = { Authorization: `Basic ${Buffer.from("ghost:").toString("base64")}` };
    expect(await failure(ECHO, headers)).toEqual({ code: "unauthenticated", message: "invalid username: 'ghost'" });
    const nobody = { Authorization: `Basic ${Buffer.from(":").toString("base64")}` };
    expect(await failure(ECHO, nobody)).toEqual({ code: "unauthenticated", message: "invalid username: ''" });
  });
});

describe("what is no call", () => {
  test("another method is 405 and says which one is right", async () => {
    for (const path of [START, LIST]) {
      for (const method of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        const reply = await request({ method, path });
        expect([method, reply.status, reply.headers.allow, reply.text]).toEqual([method, 405, "POST", ""]);
      }
    }
  });

  test("another content type is 415 and says which ones are right", async () => {
    for (const type of ["text/plain", "application/connect+json", "application/grpc-web+proto", undefined]) {
      const reply = await request({ path: LIST, headers: type ? { "Content-Type": type } : {}, body: "{}" });
      expect([type, reply.status, reply.headers["accept-post"]]).toEqual([
        type,
        415,
        "application/json, application/proto",
      ]);
    }
    for (const type of ["application/json", "application/connect+xml"]) {
      const reply = await request({ path: START, headers: { "Content-Type": type }, body: ECHO });
      expect([reply.status, reply.headers["accept-post"]]).toEqual([
        415,
        "application/connect+json, application/connect+proto",
      ]);
    }
  });

  test("an unknown method or path is 404 in plain text", async () => {
    for (const path of [
      "/process.Process/Nope",
      "/process.Process/",
      "/process.process/Start",
      "/process.Process/Start/",
      "/nope.Nope/Nope",
    ]) {
      const reply = await request({ path, headers: JSON_UNARY, body: "{}" });
      expect([path, reply.status, reply.text]).toEqual([path, 404, "404 page not found\n"]);
      expect(reply.headers["content-type"]).toMatch(/^text\/plain/);
    }
  });
});

/** Sends bytes as they are and reads until the other side closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connectSocket(Number(new URL(daemon.url).port), "127.0.0.1");
  socket.write(bytes);
  let text = "";
  for await (const chunk of socket.setEncoding("latin1")) text += chunk;
  return text;
}

describe("a request that may be two", () => {
  test.each([
    [
      "Content-Length and Transfer-Encoding",
      "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    [
      "Transfer-Encoding and Content-Length",
      "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    ["two different lengths", "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}"],
    ["an unknown transfer coding", "Transfer-Encoding: xchunked\r\n\r\n{}"],
  ])("with %s is 400 and the connection closed", async (_name, rest) => {
    const text = await raw(`POST ${LIST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${rest}`);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
