import { afterAll, beforeAll, expect, test } from "vitest";
import { PlainHeaders } from "../../src/edge/web/headers.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { RawConnection, type RawReply } from "../helpers/fuzz/raw-http.ts";

const UPGRADE =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
const ASKING = "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: PUT\r\n";
const NAMES = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];

let daemon: TestDaemon;
let port: number;
beforeAll(async () => {
  daemon = await startTestDaemon();
  port = Number(new URL(daemon.url).port);
});
afterAll(async () => daemon[Symbol.asyncDispose]());

async function answerTo(line: string, headers: string): Promise<RawReply> {
  const connection = new RawConnection(port);
  try {
    const head = `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
    const reply = await connection.exchange([Buffer.from(head, "latin1")], "open");
    if (!reply) throw new Error("no answer");
    return reply;
  } finally {
    connection.close();
  }
}

test("the daemon of these tests has the classes that the built one has", () => {
  expect(Headers).toBe(PlainHeaders);
});

test("what a preflight asks for comes back as it is, however many spaces it has", async () => {
  const wanted = `x-a,${" ".repeat(100_000)}x-b`;
  const { status, headers } = await answerTo(
    "OPTIONS /v1/runs",
    `${ASKING}Access-Control-Request-Headers: ${wanted}\r\n`,
  );
  expect([status, headers.get("access-control-allow-headers") === wanted]).toEqual([204, true]);
});

test("nothing that a preflight asks for makes another header of the answer", async () => {
  for (const wanted of [
    "x-a\r\n Set-Cookie: a=b",
    "x-a\rSet-Cookie: a=b",
    "x-a\nSet-Cookie: a=b",
    "x-a\0b",
    "x-\x01",
  ]) {
    const { status, headers } = await answerTo(
      "OPTIONS /v1/runs",
      `${ASKING}Access-Control-Request-Headers: ${wanted}\r\n`,
    );
    expect([wanted, status, headers.has("set-cookie")]).toEqual([wanted, 400, false]);
  }
});

test("headers that are called what JavaScript's objects have are headers like others", async () => {
  const odd = NAMES.map((name) => `${name}: a\r\n${name}: b\r\n`).join("");
  const cookies = "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n";
  const answers = [
    await answerTo("GET /health", odd + cookies),
    await answerTo("OPTIONS /v1/runs", ASKING + odd + cookies),
    await answerTo("GET /v1/nothing", UPGRADE + odd + cookies),
  ];
  expect(answers.map(({ status }) => status)).toEqual([204, 204, 404]);
  for (const { headers } of answers)
    expect(["set-cookie", ...NAMES].filter((name) => headers.has(name.toLowerCase()))).toEqual([]);
});
