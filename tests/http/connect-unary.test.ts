import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import {
  envelope,
  JSON_STREAM,
  JSON_UNARY,
  send,
  shell,
  type WireReply,
  type WireRequest,
} from "../unit/edge/connect/wire-client.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

const START = "/process.Process/Start";
const LIST = "/process.Process/List";

const request = (wire: WireRequest): Promise<WireReply> => send(daemon.url, wire);
const stream = (body: Uint8Array): Promise<WireReply> => request({ path: START, headers: JSON_STREAM, body });
const unary = (body: string | Uint8Array, headers: Record<string, string> = {}, path = LIST): Promise<WireReply> =>
  request({ path, headers: { ...JSON_UNARY, ...headers }, body });
const errorOf = ({ text }: WireReply): { code: string; message: string } =>
  JSON.parse(text) as { code: string; message: string };

const kill = (body: object): Promise<WireReply> => unary(JSON.stringify(body), {}, "/process.Process/SendSignal");

describe("a unary call", () => {
  test("answers in its own type, plain or compressed as it likes", async () => {
    for (const type of ["application/json", "application/json; charset=utf-8"]) {
      const reply = await unary("{}", { "Content-Type": type });
      expect([reply.status, reply.headers["content-type"], reply.headers["accept-encoding"]]).toEqual([
        200,
        "application/json",
        "gzip",
      ]);
      expect(JSON.parse(reply.text)).toEqual({});
    }
    const proto = await request({ path: LIST, headers: { "Content-Type": "application/proto" } });
    expect([proto.status, proto.headers["content-type"], proto.body.length]).toEqual([200, "application/proto", 0]);
  });

  test("answers a large list in gzip to whoever knows it", async () => {
    const tag = "x".repeat(5000);
    const started = stream(envelope(shell("read line", { tag, stdin: true })));
    let reply = await unary("{}", { "Accept-Encoding": "gzip, deflate" });
    while (!reply.headers["content-encoding"]) reply = await unary("{}", { "Accept-Encoding": "gzip, deflate" });
    expect(reply.headers["content-encoding"]).toBe("gzip");
    expect(JSON.parse(gunzipSync(reply.body).toString())).toMatchObject({ processes: [{ tag }] });
    expect((await unary("{}", { "Accept-Encoding": "identity" })).text).toContain(tag);
    const select = JSON.stringify({ process: { tag } });
    await unary(select, {}, "/process.Process/CloseStdin");
    await started;
  });

  test("takes a compressed request", async () => {
    expect((await unary(gzipSync("{}"), { "Content-Encoding": "gzip" })).status).toBe(200);
    expect((await unary("{}", { "Content-Encoding": "identity", "Accept-Encoding": "identity" })).status).toBe(200);
  });

  test.each([
    [
      "an empty body",
      "",
      {},
      400,
      "invalid_argument",
      /^unmarshal message: .*zero-length payload is not a valid JSON object/,
    ],
    ["no JSON", "{", {}, 400, "invalid_argument", /^unmarshal message: /],
    ["a list", "[]", {}, 400, "invalid_argument", /^unmarshal message: /],
    ["no gzip", "{}", { "Content-Encoding": "gzip" }, 400, "invalid_argument", /gzip/],
    [
      "a coding nobody knows",
      "{}",
      { "Content-Encoding": "zstd" },
      501,
      "unimplemented",
      /^unknown compression "zstd": supported encodings are gzip$/,
    ],
    [
      "another protocol version",
      "{}",
      { "Connect-Protocol-Version": "2" },
      400,
      "invalid_argument",
      /connect-protocol-version/,
    ],
    [
      "a deadline that is no number",
      "{}",
      { "Connect-Timeout-Ms": "soon" },
      400,
      "invalid_argument",
      /^parse timeout: /,
    ],
    [
      "a deadline of eleven digits",
      "{}",
      { "Connect-Timeout-Ms": "12345678901" },
      400,
      "invalid_argument",
      /^parse timeout: /,
    ],
    ["a deadline with a fraction", "{}", { "Connect-Timeout-Ms": "1.5" }, 400, "invalid_argument", /^parse timeout: /],
    [
      "a deadline of zero",
      "{}",
      { "Connect-Timeout-Ms": "0" },
      504,
      "deadline_exceeded",
      /^context deadline exceeded$/,
    ],
    [
      "a deadline in the past",
      "{}",
      { "Connect-Timeout-Ms": "-5" },
      504,
      "deadline_exceeded",
      /^context deadline exceeded$/,
    ],
    [
      "a user that is no account",
      "{}",
      { Authorization: "Basic Z2hvc3Q6" },
      401,
      "unauthenticated",
      /^invalid username: 'ghost'$/,
    ],
  ] as [string, string, Record<string, string>, number, string, RegExp][])(
    "refuses %s",
    async (_name, body, headers, status, code, message) => {
      const reply = await unary(body, headers);
      expect([reply.status, reply.headers["content-type"]]).toEqual([status, "application/json"]);
      expect(errorOf(reply)).toEqual({ code, message: expect.stringMatching(message) as string });
    },
  );

  test("refuses a body beyond the limit once it is inflated", async () => {
    const reply = await unary(gzipSync(Buffer.alloc(65 * 1024 * 1024, " ")), { "Content-Encoding": "gzip" });
    expect(errorOf(reply).code).toBe("resource_exhausted");
  });

  test("takes the protocol's own version and a deadline that is far away", async () => {
    expect((await unary("{}", { "Connect-Protocol-Version": "1", "Connect-Timeout-Ms": "9999999999" })).status).toBe(
      200,
    );
  });

  test("says no with the contract's words and its status", async () => {
    const missing = await kill({ process: { pid: 4_000_000 }, signal: "SIGNAL_SIGKILL" });
    expect([missing.status, errorOf(missing)]).toEqual([
      404,
      { code: "not_found", message: "process with pid 4000000 not found" },
    ]);
    const nothing = await kill({ signal: "SIGNAL_SIGKILL" });
    expect([nothing.status, errorOf(nothing)]).toEqual([
      501,
      { code: "unimplemented", message: "invalid input type *process.ProcessSelector" },
    ]);
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
