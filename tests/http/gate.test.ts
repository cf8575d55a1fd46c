import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Route, RouteFamily } from "../../src/edge/route.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { send, statusOf, type WireReply, type WireRequest } from "../unit/edge/connect/wire-client.ts";

const TOKEN = "tok-5e3c2f7a91";
const REFUSAL = "unauthorized access, please provide a valid access token or method signing if supported";

/** A daemon with a token, from a file as operators give it. */
async function startWithToken(argv: readonly string[] = []): Promise<TestDaemon> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-gate-"));
  const file = join(folder, "token");
  writeFileSync(file, `${TOKEN}\n`);
  try {
    return await startTestDaemon({ env: { GUESTD_TOKEN_FILE: file }, argv, hasInterpreterPort: true, kernels: "toy" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Both ports of a daemon, by the face that they show. */
function facesOf({ url, interpreterUrl }: TestDaemon): ["api" | "interpreter", string][] {
  return [
    ["api", url],
    ["interpreter", interpreterUrl],
  ];
}

/** A request that matches a route, with every parameter filled in. */
function requestOf({ method, path }: Pick<Route, "method" | "path">, headers: Record<string, string>): WireRequest {
  const filled = path.replaceAll(/:\w+(\{[^}]*\})?/g, "some-id").replaceAll("*", "some/path");
  return { method, path: filled, headers: { "Content-Type": "application/json", ...headers } };
}

function ask(
  url: string,
  route: Pick<Route, "method" | "path">,
  headers: Record<string, string> = {},
): Promise<WireReply> {
  return send(url, requestOf(route, headers));
}

/** What the contract opens without a token, and the page that asks for it. */
const OPEN = new Set(["GET /health", "POST /init", "GET /docs"]);
const OPEN_CONTEXTS = new Set([
  "GET /contexts",
  "POST /contexts",
  "DELETE /contexts/:id",
  "POST /contexts/:id/restart",
]);

function expectRefusal(reply: WireReply, family: RouteFamily, message: string, reason: string): void {
  expect(reply.status).toBe(401);
  if (family === "native") {
    expect(reply.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(reply.text)).toMatchObject({
      status: 401,
      title: "Unauthenticated",
      detail: message,
      code: "unauthenticated",
      reason,
    });
    return;
  }
  expect(reply.text).toBe(`${JSON.stringify({ code: 401, message })}\n`);
  expect(reply.headers["content-type"]).toBe("application/json; charset=utf-8");
  expect(reply.headers["x-content-type-options"]).toBe("nosniff");
}

describe("with a token", () => {
  let daemon: TestDaemon;
  beforeAll(async () => void (daemon = await startWithToken()));
  afterAll(async () => daemon[Symbol.asyncDispose]());

  test("every route of both ports asks for it, but for those that the contract opens", async () => {
    const opened: string[] = [];
    for (const [face, url] of facesOf(daemon)) {
      for (const route of daemon.daemon.routes) {
        if (route.face !== undefined && route.face !== face) continue;
        const name = `${route.method} ${route.path}`;
        const reply = await ask(url, route);
        // /init has a rule of its own, which it only applies to who reached it.
        const isReached = reply.status !== 401 || reply.text === "access token reset not authorized";
        if (isReached) opened.push(name);
        // Files judge by signatures themselves, in words of their own.
        else if (route.access === "token") expectRefusal(reply, route.family, REFUSAL, "token_missing");
      }
    }
    expect(new Set(opened)).toEqual(new Set([...OPEN, ...OPEN_CONTEXTS]));
  });

  test("a wrong one is refused in the same words, and the right one opens every route", async () => {
    for (const [face, url] of facesOf(daemon)) {
      for (const route of daemon.daemon.routes) {
        if ((route.face !== undefined && route.face !== face) || route.access !== "token") continue;
        expectRefusal(await ask(url, route, { "X-Access-Token": `${TOKEN}x` }), route.family, REFUSAL, "token_invalid");
        expect(await statusOf(url, requestOf(route, { "X-Access-Token": TOKEN }))).not.toBe(401);
        expect(await statusOf(url, requestOf(route, { Authorization: `Bearer ${TOKEN}` }))).not.toBe(401);
      }
    }
  });

  test("what is no route asks for it first", async () => {
    for (const [method, path] of [
      ["GET", "/nope"],
      ["GET", "/v1/nope"],
      ["POST", "/process.Process/Nope"],
      ["GET", "/process.Process/List"],
      ["PUT", "/v1/info"],
      ["OPTIONS", "/v1/info"],
    ] as const) {
      const family = path.startsWith("/v1/") ? "native" : "rpc";
      expectRefusal(await send(daemon.url, { method, path }), family, REFUSAL, "token_missing");
      expect([404, 405]).toContain(
        (await send(daemon.url, { method, path, headers: { "X-Access-Token": TOKEN } })).status,
      );
    }
  });

  test("browsers of any origin may ask, and read the refusal", async () => {
    const headers = { Origin: "https://app.example", Host: "sandbox.example" };
    const preflight = await send(daemon.url, {
      method: "OPTIONS",
      path: "/v1/info",
      headers: { ...headers, "Access-Control-Request-Method": "GET" },
    });
    expect([preflight.status, preflight.headers["access-control-allow-origin"]]).toEqual([204, "*"]);
    const reply = await send(daemon.url, { method: "GET", path: "/v1/info", headers });
    expect([reply.status, reply.headers["access-control-allow-origin"]]).toEqual([401, "*"]);
  });

  test("/init neither changes nor clears it, and repeating it is fine", async () => {
    const init = (body: object) =>
      send(daemon.url, { path: "/init", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const clear = await init({});
    expect([clear.status, clear.text]).toEqual([401, "access token reset not authorized"]);
    const change = await init({ accessToken: "other" });
    expect([change.status, change.text]).toEqual([401, "access token validation failed"]);
    expect([clear.headers["x-envd-version"], change.headers["x-envd-version"]]).toEqual(["0.6.13", "0.6.13"]);
    expect((await init({ accessToken: null, envVars: { A: "1" } })).status).toBe(401);
    const again = await init({ accessToken: TOKEN });
    expect([again.status, again.headers["cache-control"], again.headers["x-envd-version"]]).toEqual([
      204,
      "no-store",
      "0.6.13",
    ]);
    expect((await send(daemon.url, { method: "GET", path: "/envs" })).status).toBe(401);
    expect(
      (await send(daemon.url, { method: "GET", path: "/envs", headers: { "X-Access-Token": TOKEN } })).text,
    ).not.toContain('"A"');
  });

  test("it is in no log line, in no answer, and in nobody's environment", async () => {
    const headers = { "X-Access-Token": TOKEN };
    await send(daemon.url, { method: "GET", path: `/v1/runs?tag=${TOKEN}`, headers });
    const { text } = await send(daemon.url, {
      path: "/v1/run",
      headers,
      body: "env; cat /proc/self/environ | tr '\\0' '\\n'",
    });
    expect(text).toContain("PATH=");
    expect(text).not.toContain(TOKEN);
    for (const path of ["/", "/v1/info", "/openapi.json", "/envs", "/metrics", "/v1/runs"]) {
      const reply = await send(daemon.url, { method: "GET", path, headers });
      expect([path, reply.status, reply.text.includes(TOKEN)]).toEqual([path, 200, false]);
    }
    expect(JSON.stringify(daemon.log)).not.toContain(TOKEN);
    expect(readFileSync("/proc/self/environ", "latin1")).not.toContain(TOKEN);
  });
});

test("with --strict-interpreter contexts ask for the token as well", async () => {
  await using daemon = await startWithToken(["--strict-interpreter"]);
  for (const route of daemon.daemon.routes.filter(({ access }) => access === "contexts")) {
    for (const [, url] of facesOf(daemon))
      expectRefusal(await ask(url, route), "interpreter", REFUSAL, "token_missing");
    expect((await ask(daemon.url, route, { "X-Access-Token": TOKEN })).status).not.toBe(401);
  }
});

test("an unknown Basic user is refused on every route, in a shape for each", async () => {
  await using daemon = await startTestDaemon();
  const headers = { Authorization: `Basic ${Buffer.from("ghost:x").toString("base64")}` };
  const message = "invalid username: 'ghost'";
  for (const [method, path] of [
    ["GET", "/health"],
    ["GET", "/envs"],
    ["POST", "/process.Process/List"],
  ] as const) {
    const reply = await send(daemon.url, {
      method,
      path,
      headers: { ...headers, "Content-Type": "application/json" },
      body: method === "POST" ? "{}" : "",
    });
    expect([path, reply.status, JSON.parse(reply.text)]).toEqual([path, 401, { code: "unauthenticated", message }]);
  }
  const native = await send(daemon.url, { method: "GET", path: "/v1/info", headers });
  expect([native.status, JSON.parse(native.text)]).toMatchObject([401, { detail: message, reason: "user_unknown" }]);
});

test("a default user that there is not is told at the start and by /v1/info, and who is named is served", async () => {
  await using daemon = await startTestDaemon({ argv: ["--default-user", "ghost"] });
  const fault = 'programs are to run as "ghost", and there is no such account';
  expect(daemon.log.find(({ event }) => event === "default_user.unknown")).toMatchObject({
    level: "warn",
    detail: `${fault}: make it, or name another with --default-user`,
  });
  const info = await send(daemon.url, { method: "GET", path: "/v1/info" });
  expect([info.status, JSON.parse(info.text)]).toMatchObject([
    200,
    { defaultUser: "ghost", capabilities: { users: { available: false, why: fault } } },
  ]);
  const headers = { Authorization: `Basic ${Buffer.from(`${userInfo().username}:`).toString("base64")}` };
  for (const [expected, more] of [
    [401, {}],
    [200, { headers }],
  ] as const) {
    const { status } = await send(daemon.url, { method: "POST", path: "/v1/run", body: "true", ...more });
    expect(status).toBe(expected);
  }
});
