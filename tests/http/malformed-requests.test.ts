import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerMalformed } from "../../src/edge/malformed-requests.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { RawConnection, type RawReply } from "../helpers/fuzz/raw-http.ts";

const SPOKEN = "guestd speaks HTTP/1.1, without TLS";

let daemon: TestDaemon;
let port: number;
let folder: string;
beforeAll(async () => {
  daemon = await startTestDaemon();
  port = Number(new URL(daemon.url).port);
  folder = await mkdtemp(join(tmpdir(), "guestd-malformed-"));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** What `bytes` are answered, where that ends the connection. */
async function answerTo(bytes: string | Buffer, to = port): Promise<RawReply | undefined> {
  const connection = new RawConnection(to);
  try {
    const reply = await connection.exchange([Buffer.from(bytes)], "open");
    await connection.ended();
    return reply;
  } finally {
    connection.close();
  }
}

/** Status and message of an error; that its form is right is checked here. */
function errorOf(reply: RawReply | undefined): [number | undefined, string] {
  if (!reply) return [undefined, "no answer"];
  expect(reply.headers.get("content-type")).toBe("application/json; charset=utf-8");
  const { code, message, ...more } = JSON.parse(reply.body.toString()) as { code: number; message: string };
  expect([code, more]).toEqual([reply.status, {}]);
  return [reply.status, message];
}

describe("what cannot be read is told why", () => {
  test("a target with characters that no URL has: how it is sent right", async () => {
    const name = "grüße \u{1F600}\x01%20.txt".replace(" ", "_");
    const target = `/v1/files${folder}/${name}`;
    const [status, message] = errorOf(await answerTo(`GET ${target}?x=ü HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    expect(status).toBe(400);
    expect(message).toMatch(
      /^the target "\/v1\/files.*grüße_.*" has characters that no URL has; send it percent-encoded: /,
    );
    const encoded = message.split(": ").at(-1) ?? "";
    expect(encoded).toBe(`/v1/files${folder}/gr%C3%BC%C3%9Fe_%F0%9F%98%80%01%20.txt?x=%C3%BC`);
    await writeFile(join(folder, "grüße_\u{1F600}\x01 .txt"), "found");
    expect(await (await daemon.fetch(encoded)).text()).toBe("found");
  });

  test.each(["[", "a b"])("a WebSocket of a host that cannot be: %j", async (host) => {
    const upgrade = "Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13";
    const head = `GET /v1/pty HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, close\r\n${upgrade}\r\n\r\n`;
    const [status] = errorOf(await answerTo(head));
    expect(status).toBe(400);
  });

  test("headers that are too large, to a client that goes on sending", async () => {
    const head = `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(2 ** 20)}`;
    expect(errorOf(await answerTo(head))).toEqual([
      431,
      "the headers are larger than 131072 bytes; what is long belongs in the body",
    ]);
  });

  test("headers that do not come", async () => {
    const refused: (string | undefined)[] = [];
    const limits = { headersTimeout: 100, connectionsCheckingInterval: 20 };
    const server = createServer(limits);
    answerMalformed(server, limits, ({ reason }) => refused.push(reason));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const reply = await answerTo("GET / HTTP/1.1\r\nHost:", (server.address() as AddressInfo).port);
    expect(errorOf(reply)).toEqual([408, "the headers did not arrive within 0.1 s"]);
    expect(refused).toEqual(["headers_timeout"]);
    server.close();
  });

  const named = "send a Host header and a target that begins with /, both as URLs have them";
  test.each([
    ["GET / SPDY/1\r\n\r\n", 400, `cannot read the request: Expected HTTP/, RTSP/ or ICE/ at "GET"; ${SPOKEN}`],
    ["\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, `cannot read the request: Invalid method encountered; ${SPOKEN}`],
    ["HELLO / HTTP/1.1\r\n\r\n", 400, `cannot read the request: Invalid method encountered at "HELLO"; ${SPOKEN}`],
    [
      "GET / HTTP/1.1\r\nHost: a\r\nX-Access-Token: secret\x01secret\r\n\r\n",
      400,
      `cannot read the request: Invalid header value char at "X-Access-Token"; ${SPOKEN}`,
    ],
    [
      "POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
      `cannot read the request: Transfer-Encoding can't be present with Content-Length at "Transfer-Encoding"; ${SPOKEN}`,
    ],
    ["GET /health HTTP/1.1\r\n\r\n", 400, `request refused: Missing host header; ${named}`],
    ["GET /a\\b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, `request refused: Backslash in request path; ${named}`],
    ["GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, `request refused: Invalid host header; ${named}`],
    ["OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, `request refused: Invalid URL; ${named}`],
    [
      "POST /files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: miracles\r\n\r\n",
      417,
      'cannot meet the expectation "miracles"; leave out Expect, or send 100-continue',
    ],
  ])("%j", async (bytes, status, message) => {
    // Those whose end is known may come again on the same connection.
    const connection = new RawConnection(port);
    expect(errorOf(await connection.exchange([Buffer.from(bytes)], "open"))).toEqual([status, message]);
    connection.close();
  });

  test("the log has a line, without the client's words", async () => {
    const count = (): number => daemon.log.filter(({ event }) => event === "request.refused").length;
    const before = count();
    await answerTo("GET /ü?token=secret HTTP/1.1\r\n\r\n");
    await until(() => count() > before);
    expect(daemon.log.findLast(({ event }) => event === "request.refused")).toMatchObject({
      level: "info",
      status: 400,
      code: "invalid_argument",
    });
    expect(JSON.stringify(daemon.log)).not.toContain("secret");
  });
});

describe("on a connection that has another request", () => {
  test("whatever was answered before stays, and what cannot be read is answered too", async () => {
    const connection = new RawConnection(port);
    const good = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    expect((await connection.exchange([Buffer.from(good)], "open"))?.status).toBe(204);
    const reply = await connection.exchange([Buffer.from("nonsense\r\n\r\n")], "open");
    expect(errorOf(reply)[0]).toBe(400);
    await connection.ended();
  });

  test("a body that cannot be read ends its upload, and the file stays as it was", async () => {
    const path = join(folder, "kept");
    await writeFile(path, "before");
    const head = `POST /files?path=${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n`;
    const reply = await answerTo(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n`);
    expect(errorOf(reply)).toEqual([400, `cannot read the request: Invalid character in chunk size; ${SPOKEN}`]);
    expect(await readFile(path, "utf8")).toBe("before");
    expect(existsSync(join(folder, "nonsense"))).toBe(false);
  });

  test("an answer that is under way is cut, never mixed with an error", async () => {
    const watch = `GET /v1/watch?path=${folder} HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n`;
    const socket = connect(port, "127.0.0.1");
    socket.write(watch);
    let text = String((await once(socket, "data"))[0]);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    socket.write("nonsense\r\n\r\n");
    for await (const chunk of socket) text += String(chunk);
    expect(text).not.toContain("nonsense");
    expect(text).not.toContain("\r\n0\r\n");
  });
});
