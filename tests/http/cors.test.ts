import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { envelope, JSON_STREAM, send, shell, type WireReply } from "../unit/edge/connect/wire-client.ts";

const ORIGIN = "http://localhost:3000";
const PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
const EXPOSED = [
  "Grpc-Status",
  "Grpc-Message",
  "Grpc-Status-Details-Bin",
  "Location",
  "Cache-Control",
  "X-Content-Type-Options",
];

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon({ hasInterpreterPort: true })));
afterAll(async () => daemon[Symbol.asyncDispose]());

function cors({ headers }: WireReply): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("access-control-")));
}

function preflight(method: string, headers: Record<string, string> = {}, url = daemon.url): Promise<WireReply> {
  return send(url, {
    method: "OPTIONS",
    path: "/v1/runs",
    headers: { "Access-Control-Request-Method": method, ...headers },
  });
}

describe("a preflight", () => {
  test.each(["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE"])(
    "for %s is granted with what was asked for",
    async (method) => {
      const reply = await preflight(method, {
        Origin: ORIGIN,
        "Access-Control-Request-Headers": "x-access-token, connect-timeout-ms",
      });
      expect([reply.status, reply.text, reply.headers.vary]).toEqual([204, "", PREFLIGHT_VARY]);
      expect(cors(reply)).toEqual({
        "access-control-allow-origin": "*",
        "access-control-allow-methods": method,
        "access-control-allow-headers": "x-access-token, connect-timeout-ms",
        "access-control-max-age": "7200",
      });
    },
  );

  test("without headers to ask for grants none", async () => {
    expect(cors(await preflight("GET", { Origin: ORIGIN }))).not.toHaveProperty("access-control-allow-headers");
  });

  test("for a method nobody has, or without an origin, is answered without any permission", async () => {
    for (const reply of [
      await preflight("TRACE", { Origin: ORIGIN }),
      await preflight("get", { Origin: ORIGIN }),
      await preflight("GET"),
    ]) {
      expect([reply.status, reply.headers.vary, cors(reply)]).toEqual([204, PREFLIGHT_VARY, {}]);
    }
  });

  test("is answered before anybody asks for a path that exists or a user that does not", async () => {
    const headers = { Origin: ORIGIN, "Access-Control-Request-Method": "POST", Authorization: "Basic Z2hvc3Q6" };
    expect((await send(daemon.url, { method: "OPTIONS", path: "/nope", headers })).status).toBe(204);
  });

  test("on the interpreter's face is 200", async () => {
    for (const reply of [
      await preflight("POST", { Origin: ORIGIN }, daemon.interpreterUrl),
      await preflight("POST", { Origin: ORIGIN, "E2b-Sandbox-Port": "49999" }),
    ]) {
      expect([reply.status, reply.headers["access-control-allow-origin"]]).toEqual([200, "*"]);
    }
    const named = await preflight("POST", { Origin: ORIGIN, "E2b-Sandbox-Port": "49983" }, daemon.interpreterUrl);
    expect(named.status).toBe(204);
  });
});

describe("a request from a page", () => {
  test("may be read, with the headers that clients need", async () => {
    const reply = await send(daemon.url, { method: "GET", path: "/v1/runs", headers: { Origin: ORIGIN } });
    expect([reply.headers.vary, reply.headers["access-control-allow-origin"]]).toEqual(["Origin", "*"]);
    const exposed = String(reply.headers["access-control-expose-headers"]).split(", ");
    expect(exposed).toEqual(expect.arrayContaining(EXPOSED));
    expect(reply.headers).not.toHaveProperty("access-control-allow-credentials");
  });

  test("may be read when it fails, is no route, or is a stream", async () => {
    const headers = { Origin: ORIGIN };
    const replies = [
      await send(daemon.url, { method: "GET", path: "/nope", headers }),
      await send(daemon.url, { method: "GET", path: "/v1/runs/nope", headers }),
      await send(daemon.url, { method: "PATCH", path: "/v1/runs", headers }),
      await send(daemon.url, {
        path: "/process.Process/Start",
        headers: { ...JSON_STREAM, ...headers },
        body: envelope(shell("true")),
      }),
      await send(daemon.url, { path: "/v1/run", headers, body: "true" }),
    ];
    expect(replies.map(({ status }) => status)).toEqual([404, 404, 405, 200, 200]);
    for (const reply of replies) {
      expect([reply.headers["access-control-allow-origin"], reply.headers.vary]).toEqual(["*", "Origin"]);
    }
  });

  test("of the interpreter's face carries the one header that it has", async () => {
    const withOrigin = await send(daemon.interpreterUrl, {
      method: "GET",
      path: "/contexts",
      headers: { Origin: ORIGIN },
    });
    expect(cors(withOrigin)).toEqual({ "access-control-allow-origin": "*" });
    expect(cors(await send(daemon.interpreterUrl, { method: "GET", path: "/contexts" }))).toEqual({});
  });
});

test("without an origin nothing but Vary tells of origins", async () => {
  const reply = await send(daemon.url, { method: "GET", path: "/health" });
  expect([reply.headers.vary, cors(reply)]).toEqual(["Origin", {}]);
});

test("a plain OPTIONS is no preflight: 405 with what the path has", async () => {
  const reply = await send(daemon.url, { method: "OPTIONS", path: "/v1/runs", headers: { Origin: ORIGIN } });
  expect([reply.status, reply.headers.allow]).toEqual([405, "GET"]);
});
