import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { send, type WireReply } from "../unit/edge/connect/wire-client.ts";

const startLocked = (): Promise<TestDaemon> =>
  startTestDaemon({ argv: ["--host", "0.0.0.0"], hasInterpreterPort: true });

const init = (daemon: TestDaemon, body: string): Promise<WireReply> =>
  send(daemon.url, { path: "/init", headers: { "Content-Type": "application/json" }, body });

async function isOpen({ url }: TestDaemon, headers: Record<string, string> = {}): Promise<boolean> {
  return (await send(url, { method: "GET", path: "/v1/info", headers })).status === 200;
}

/** Both ports of a daemon, by the face that they show. */
function facesOf({ url, interpreterUrl }: TestDaemon): ["api" | "interpreter", string][] {
  return [
    ["api", url],
    ["interpreter", interpreterUrl],
  ];
}

describe("locked: reachable from outside, and no token", () => {
  test("nothing but /health and /init answers", async () => {
    await using daemon = await startLocked();
    for (const [face, url] of facesOf(daemon)) {
      for (const route of daemon.daemon.routes) {
        if (route.face !== undefined && route.face !== face) continue;
        // /init would unlock it.
        if (route.path === "/init") continue;
        const path = route.path.replaceAll(/:\w+(\{[^}]*\})?/g, "some-id").replaceAll("*", "some/path");
        const { status, text } = await send(url, {
          method: route.method,
          path,
          headers: { "X-Access-Token": "anything" },
        });
        const isOpened = route.path === "/health";
        expect([path, status === 401, text.includes("envd not initialized")]).toEqual([path, !isOpened, !isOpened]);
      }
    }
    expect((await send(daemon.url, { method: "GET", path: "/nope" })).status).toBe(401);
  });

  test("an /init that cannot be read or applied unlocks nothing", async () => {
    await using daemon = await startLocked();
    for (const body of [
      "{",
      "[]",
      '{"accessToken":""}',
      '{"accessToken":7}',
      '{"accessToken":"a\\\\b"}',
      '{"envVars":{"A":"\\u0000"}}',
      '{"envVars":{"A":1}}',
      '{"timestamp":"soon"}',
    ]) {
      expect([body, (await init(daemon, body)).status]).toEqual([body, 400]);
    }
    expect((await init(daemon, `{"x":"${"y".repeat(1_100_000)}"}`)).status).toBe(400);
    expect(await isOpen(daemon)).toBe(false);
  });

  test("the first /init may bring the token, which then counts for good", async () => {
    await using daemon = await startLocked();
    expect((await init(daemon, '{"accessToken":"first"}')).status).toBe(204);
    expect(await isOpen(daemon)).toBe(false);
    expect(await isOpen(daemon, { "X-Access-Token": "first" })).toBe(true);
    expect((await init(daemon, '{"accessToken":"second"}')).status).toBe(401);
    expect((await init(daemon, "{}")).status).toBe(401);
    expect(await isOpen(daemon, { "X-Access-Token": "first" })).toBe(true);
  });

  test("the first /init may be without one; a later one may still add it", async () => {
    await using daemon = await startLocked();
    expect((await init(daemon, "")).status).toBe(204);
    expect(await isOpen(daemon)).toBe(true);
    expect((await init(daemon, '{"accessToken":"late"}')).status).toBe(204);
    expect([await isOpen(daemon), await isOpen(daemon, { "X-Access-Token": "late" })]).toEqual([false, true]);
  });

  test("of many first calls at once exactly one token wins", async () => {
    await using daemon = await startLocked();
    const tokens = Array.from({ length: 20 }, (_, index) => `token-${index}`);
    const replies = await Promise.all(tokens.map((accessToken) => init(daemon, JSON.stringify({ accessToken }))));
    const winners = tokens.filter((_, index) => replies[index]?.status === 204);
    expect(winners).toHaveLength(1);
    expect(await isOpen(daemon, { "X-Access-Token": winners[0] ?? "" })).toBe(true);
  });

  test("a stale /init unlocks nothing anew, and an older one changes nothing", async () => {
    await using daemon = await startLocked();
    const at = (timestamp: string, value: string) =>
      init(daemon, JSON.stringify({ timestamp, envVars: { WHEN: value } }));
    expect((await at("2026-01-01T00:00:00.000000002Z", "new")).status).toBe(204);
    expect((await at("2026-01-01T00:00:00.000000001Z", "old")).status).toBe(204);
    const envs = async () => (await send(daemon.url, { method: "GET", path: "/envs" })).text;
    expect(await envs()).toContain('"WHEN":"new"');
    expect((await at("2026-01-01T00:00:00.000000002Z", "same")).status).toBe(204);
    expect(await envs()).toContain('"WHEN":"same"');
  });

  test("--insecure opens it and says so in the log", async () => {
    await using daemon = await startTestDaemon({ argv: ["--host", "0.0.0.0", "--insecure"] });
    expect(await isOpen(daemon)).toBe(true);
    expect(daemon.log).toContainEqual(expect.objectContaining({ level: "warn", event: "insecure" }));
  });
});

describe("open on a loopback address", () => {
  let daemon: TestDaemon;
  beforeAll(
    async () =>
      void (daemon = await startTestDaemon({ argv: ["--allowed-host", "box.example"], hasInterpreterPort: true })),
  );
  afterAll(async () => daemon[Symbol.asyncDispose]());

  const get = (headers: Record<string, string>, path = "/v1/info", method = "GET") =>
    send(daemon.url, { method, path, headers });
  const preflight = (headers: Record<string, string>): Promise<WireReply> =>
    get({ "Access-Control-Request-Method": "POST", ...headers }, "/v1/run", "OPTIONS");

  test("a name that is none of this machine is 421, without CORS permission", async () => {
    for (const Host of ["evil.example", "127.0.0.1.nip.io:49983"]) {
      for (const [, url] of facesOf(daemon)) {
        for (const path of ["/v1/info", "/nope", "/contexts", "/process.Process/List"]) {
          const reply = await send(url, { method: "GET", path, headers: { Host, Origin: "http://localhost" } });
          expect([path, reply.status, reply.headers["access-control-allow-origin"]]).toEqual([path, 421, undefined]);
        }
      }
    }
    expect((await get({ Host: "box.example" })).status).toBe(200);
  });

  test("a foreign origin is 403, without CORS permission, and changes nothing", async () => {
    for (const Origin of ["http://evil.example", "null", "http://localhost.evil.example"]) {
      const reply = await send(daemon.url, {
        path: "/v1/run",
        headers: { Origin, "Content-Type": "text/plain" },
        body: "echo pwned",
      });
      expect([reply.status, reply.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    }
    expect(JSON.parse((await get({}, "/v1/runs")).text)).toEqual({ runs: [] });
  });

  test("preflights are judged alike", async () => {
    const foreign = await preflight({ Origin: "http://evil.example" });
    expect([foreign.status, foreign.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    expect((await preflight({ Origin: "http://localhost:3000", Host: "evil.example" })).status).toBe(421);
    const own = await preflight({ Origin: "http://localhost:3000" });
    expect([own.status, own.headers["access-control-allow-origin"]]).toEqual([204, "*"]);
  });

  test("/health answers everybody", async () => {
    const headers = { Host: "evil.example", Origin: "http://evil.example" };
    expect((await get(headers, "/health")).status).toBe(204);
  });

  test("pages of this machine may ask", async () => {
    const reply = await get({ Origin: "http://localhost:5173" });
    expect([reply.status, reply.headers["access-control-allow-origin"]]).toEqual([200, "*"]);
  });

  test("once there is a token, names and origins no longer matter", async () => {
    await using fresh = await startTestDaemon();
    const headers = { Host: "evil.example", Origin: "http://evil.example" };
    expect((await send(fresh.url, { method: "GET", path: "/v1/info", headers })).status).toBe(421);
    await send(fresh.url, {
      path: "/init",
      headers: { "Content-Type": "application/json" },
      body: '{"accessToken":"t"}',
    });
    expect((await send(fresh.url, { method: "GET", path: "/v1/info", headers })).status).toBe(401);
    expect(
      (await send(fresh.url, { method: "GET", path: "/v1/info", headers: { ...headers, "X-Access-Token": "t" } }))
        .status,
    ).toBe(200);
  });
});
