import { createHash } from "node:crypto";
import { mkdtempDisposableSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startBuiltDaemon } from "../helpers/built-daemon.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { type MetadataServer, startMetadataServer } from "../helpers/metadata-server.ts";
import { post } from "../helpers/native-runs.ts";

const IDS = { instanceID: "box-7", envID: "base", teamID: "team", address: "http://10.0.0.1" };

async function start(service: MetadataServer, more: Record<string, string> = {}): Promise<TestDaemon> {
  return startTestDaemon({ argv: ["--host", "0.0.0.0"], env: { GUESTD_METADATA_URL: service.url, ...more } });
}

async function init(daemon: TestDaemon, body: object): Promise<[status: number, text: string]> {
  const answer = await post(daemon.url, "/init", body);
  return [answer.status, await answer.text()];
}

const envs = async (daemon: TestDaemon, token?: string): Promise<Record<string, string>> =>
  (await (
    await daemon.fetch("/envs", token === undefined ? {} : { headers: { "X-Access-Token": token } })
  ).json()) as Record<string, string>;
const hashOf = (text: string): string => createHash("sha512").update(text).digest("hex");
const logged = (daemon: TestDaemon, event: string): number =>
  daemon.log.filter((line) => line["event"] === event).length;

describe("the ids of a metadata service", () => {
  test("are asked for after /init, until it knows them; then programs and files have them", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-ids-"));
    await using service = await startMetadataServer();
    await using daemon = await start(service, { GUESTD_IDENTITY_DIR: place.path, E2B_SANDBOX_ID: "as it was started" });
    expect(service.requests).toEqual([]);
    service.content = { instanceID: "box-7" };
    expect(await init(daemon, { envVars: { E2B_TEMPLATE_ID: "the caller's" } })).toEqual([204, ""]);
    await until(() => service.requests.length > 4);
    expect(await envs(daemon)).toMatchObject({ E2B_SANDBOX_ID: "as it was started", E2B_TEMPLATE_ID: "the caller's" });
    service.content = IDS;
    await until(() => logged(daemon, "identity.known") === 1);
    expect(await envs(daemon)).toEqual({
      E2B_SANDBOX: "true",
      E2B_SANDBOX_ID: "box-7",
      E2B_TEMPLATE_ID: "base",
      E2B_TEAM_ID: "team",
    });
    expect(readFileSync(join(place.path, ".E2B_SANDBOX_ID"), "utf8")).toBe("box-7");
    const asked = service.requests.length;
    service.content = { ...IDS, instanceID: "its copy" };
    // A copy of this sandbox is told of by the next call.
    expect(await init(daemon, {})).toEqual([204, ""]);
    await until(() => logged(daemon, "identity.known") === 2);
    expect((await envs(daemon))["E2B_SANDBOX_ID"]).toBe("its copy");
    expect(service.requests.length).toBe(asked + 4);
  });

  test("come to a daemon as users have it", async () => {
    await using service = await startMetadataServer(IDS);
    await using daemon = await startBuiltDaemon({ argv: ["--kernels=", `--metadata-url=${service.url}/`] });
    expect((await post(daemon.url, "/init", {})).status).toBe(204);
    await until(() => daemon.log.some(({ event }) => event === "identity.known"));
    expect(await (await fetch(`${daemon.url}/envs`)).json()).toMatchObject({ E2B_SANDBOX_ID: "box-7" });
  });

  test("nobody is asked unless told to", async () => {
    await using service = await startMetadataServer(IDS);
    await using daemon = await startTestDaemon();
    expect(await init(daemon, {})).toEqual([204, ""]);
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true" });
    expect(service.requests).toEqual([]);
  });

  test("that never come hold up nothing, not even the end of the daemon", async () => {
    await using service = await startMetadataServer({});
    const daemon = await start(service);
    expect(await init(daemon, {})).toEqual([204, ""]);
    await until(() => service.requests.length > 2);
    // It would go on for a minute, longer than this test may take.
    await daemon[Symbol.asyncDispose]();
    expect(logged(daemon, "identity.unknown")).toBe(0);
  });
});

describe("the hash of the token in a metadata service", () => {
  test("lets in the first token that has it, and nobody else", async () => {
    await using service = await startMetadataServer({ ...IDS, accessTokenHash: hashOf("right").toUpperCase() });
    await using daemon = await start(service);
    expect(await init(daemon, { accessToken: "wrong" })).toEqual([401, "access token validation failed"]);
    expect(await init(daemon, {})).toEqual([401, "access token reset not authorized"]);
    expect((await daemon.fetch("/envs")).status).toBe(401);
    expect(await init(daemon, { accessToken: "right" })).toEqual([204, ""]);
    expect((await daemon.fetch("/envs", { headers: { "X-Access-Token": "right" } })).status).toBe(200);
  });

  test("changes no token that there is, and clears none", async () => {
    await using service = await startMetadataServer({ ...IDS, accessTokenHash: hashOf("new") });
    await using daemon = await start(service, { GUESTD_TOKEN: "old" });
    expect(await init(daemon, { accessToken: "new" })).toEqual([401, "access token validation failed"]);
    service.content = { ...IDS, accessTokenHash: hashOf("") };
    expect(await init(daemon, {})).toEqual([401, "access token reset not authorized"]);
    expect(service.requests).toEqual([]);
    expect(await init(daemon, { accessToken: "old" })).toEqual([204, ""]);
  });

  test("is asked for by many at once, and who may not call keeps nobody waiting", async () => {
    await using service = await startMetadataServer({ ...IDS, accessTokenHash: hashOf("right") });
    await using daemon = await start(service);
    service.isSilent = true;
    let isOver = false;
    const strangers = Array.from({ length: 3 }, () => init(daemon, { accessToken: "wrong" }));
    void Promise.race(strangers).then(() => (isOver = true));
    await until(() => service.requests.length === 3);
    service.isSilent = false;
    expect(await init(daemon, { accessToken: "right" })).toEqual([204, ""]);
    expect(isOver).toBe(false);
    expect((await Promise.all(strangers)).map(([status]) => status)).toEqual([503, 503, 503]);
  });

  test("of nothing lets in who brings none", async () => {
    await using service = await startMetadataServer({ ...IDS, accessTokenHash: hashOf("") });
    await using daemon = await start(service);
    expect(await init(daemon, { accessToken: "any" })).toEqual([401, "access token validation failed"]);
    expect(await init(daemon, {})).toEqual([204, ""]);
    expect((await daemon.fetch("/envs")).status).toBe(200);
  });

  test.each([["no JSON"], [{ accessTokenHash: 7 }], [[]], [undefined], ["x".repeat(100_000)]])(
    "an answer of %.20j lets in nobody for now",
    async (content) => {
      await using service = await startMetadataServer(content);
      await using daemon = await start(service);
      const [status, text] = await init(daemon, { accessToken: "t" });
      expect([status, text]).toEqual([503, expect.stringContaining("the metadata service at http://127.0.0.1:")]);
      expect((await daemon.fetch("/envs")).status).toBe(401);
      service.content = {};
      expect(await init(daemon, { accessToken: "t" })).toEqual([204, ""]);
      expect((await envs(daemon, "t"))["E2B_SANDBOX"]).toBe("true");
    },
  );
});
