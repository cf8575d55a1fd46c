import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { descendantsOf, processState } from "../../src/host/process-tree.ts";
import { until } from "../helpers/daemon.ts";
import { installForEverybody } from "../helpers/installation.ts";
import { endServed, serve } from "../unit/config/daemon-process.ts";
import { send } from "../unit/edge/connect/wire-client.ts";

const TOKEN = "tok-cli-8d2f";

afterEach(endServed);

describe("a signal to end", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "by %s is followed within five seconds, and nothing stays behind",
    async (signal) => {
      const state = mkdtempSync(join(tmpdir(), "guestd-cli-"));
      const { child, pid, url, exited } = await serve(["--state-dir", join(state, "inner")]);
      const script =
        "trap '' TERM; setsid sleep 61 >/dev/null 2>&1 & (setsid sh -c 'sleep 62 & echo $!; exec sleep 63' &) ; echo up; sleep 64";
      const start = send(url, { path: "/v1/run", body: script }).catch(() => undefined);
      await until(() => descendantsOf(pid).filter((each) => commandOf(each) === "sleep").length >= 4);
      const finished = await send(url, { path: "/v1/run", body: "setsid sleep 65 >/dev/null 2>&1 & echo done" });
      expect(finished.text).toBe("done\n");
      const family = descendantsOf(pid);
      expect(family.length).toBeGreaterThan(6);
      const began = performance.now();
      child.kill(signal);
      expect(await exited).toEqual([0, null]);
      expect(performance.now() - began).toBeLessThan(20_000);
      await start;
      await until(() => family.every((each) => processState(each) === undefined), 2000);
      expect(existsSync(join(state, "inner"))).toBe(false);
      rmSync(state, { recursive: true });
    },
  );

  test("cuts streams instead of finishing them cleanly: their clients can tell", async () => {
    const { child, url, exited } = await serve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const reading = fetch(`${url}/v1/run`, { method: "POST", body: "echo up; sleep 60" }).then(async (response) => {
      let text = "";
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk as Uint8Array).toString();
        resolve();
      }
      return text;
    });
    reading.catch(() => undefined);
    await promise;
    child.kill("SIGTERM");
    await expect(reading).rejects.toThrow();
    await exited;
  });

  test("that is none ends nothing: SIGUSR1 neither stops it nor opens a debugger", async () => {
    const { child, url, lines } = await serve();
    child.kill("SIGUSR1");
    expect((await send(url, { method: "GET", path: "/health" })).status).toBe(204);
    expect(lines.join("\n")).not.toMatch(/debugger/i);
  });
});

describe("the token", () => {
  test("of the environment is gone from what /proc shows, was never on the command line, and reaches no program", async () => {
    const { pid, url, lines } = await serve([], { GUESTD_TOKEN: TOKEN, OTHER: "kept" });
    const environ = readFileSync(`/proc/${pid}/environ`, "latin1");
    expect([environ.includes(TOKEN), environ.includes("GUESTD_TOKEN"), environ.includes("OTHER=kept")]).toEqual([
      false,
      false,
      true,
    ]);
    expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).not.toContain(TOKEN);
    expect((await send(url, { method: "GET", path: "/v1/runs" })).status).toBe(401);
    const { status, text } = await send(url, {
      path: "/v1/run",
      headers: { "X-Access-Token": TOKEN },
      body: "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep tok-cli || true",
    });
    expect([status, text.includes(TOKEN), text.includes("OTHER")]).toEqual([200, false, false]);
    expect(lines.join("\n")).not.toContain(TOKEN);
  });

  test("of a file counts as well", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "guestd-cli-")), "token");
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    const { url } = await serve([], { GUESTD_TOKEN_FILE: file });
    expect((await send(url, { method: "GET", path: "/v1/runs" })).status).toBe(401);
    expect((await send(url, { method: "GET", path: "/v1/runs", headers: { "X-Access-Token": TOKEN } })).status).toBe(
      200,
    );
    rmSync(join(file, ".."), { recursive: true });
  });
});

describe("the log on stderr", () => {
  test("has one line of JSON for each request, with what was asked and how it went", async () => {
    const { url, lines, child, exited } = await serve();
    await send(url, { method: "GET", path: "/v1/runs?tag=secret-query" });
    await send(url, {
      method: "GET",
      path: "/v1/runs/nope",
      headers: { traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01" },
    });
    await send(url, { path: "/v1/run", body: "echo secret-body" });
    await send(url, { method: "GET", path: "/health" });
    child.kill("SIGTERM");
    await exited;
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries[0]).toMatchObject({ level: "info", event: "listening", access: "open" });
    const requests = entries.filter(({ event }) => event === "request");
    expect(requests.map(({ method, path, status, outcome, code }) => [method, path, status, outcome, code])).toEqual([
      ["GET", "/v1/runs", 200, "ok", undefined],
      ["GET", "/v1/runs/nope", 404, "error", "not_found"],
      ["POST", "/v1/run", 200, "ok", undefined],
    ]);
    expect(requests[1]).toMatchObject({
      requestId: "0123456789abcdef0123456789abcdef",
      durationMs: expect.any(Number) as number,
    });
    for (const { time } of entries) expect(String(time)).toMatch(/^\d{4}-.*Z$/);
    expect(lines.join("\n")).not.toMatch(/secret-(query|body)/);
  });

  test("shows /health only when asked for everything", async () => {
    const { url, lines } = await serve(["--log-level", "debug"]);
    await send(url, { method: "GET", path: "/health" });
    await until(() => lines.some((line) => line.includes('"path":"/health"')));
  });

  test("is for people with --log-format text", async () => {
    const { url, lines } = await serve(["--log-format", "text"]);
    await send(url, { method: "GET", path: "/v1/runs" });
    await until(() => lines.length > 1);
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}listening url="http:/);
    expect(lines[1]).toMatch(/^\S+ info {2}request .*method="GET" path="\/v1\/runs" status=200 outcome="ok"/);
  });

  test("that nobody reads, or whose reader is gone, holds up nothing", async () => {
    for (const isGone of [false, true]) {
      const { child, url } = await serve(["--log-level", "debug"]);
      if (isGone) child.stderr?.destroy();
      else child.stderr?.pause();
      const path = `/v1/runs/${"x".repeat(2000)}`;
      for (let round = 0; round < 20; round += 1) {
        await Promise.all(Array.from({ length: 10 }, () => send(url, { method: "GET", path })));
      }
      expect((await send(url, { method: "GET", path: "/health" })).status).toBe(204);
    }
  });
});

test.skipIf(process.geteuid?.() !== 0)(
  "a daemon that is not root runs programs as itself, also where there is an account named user",
  async () => {
    using installation = installForEverybody();
    const argv = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      installation.node,
      join(installation.root, "dist", "main.js"),
    ];
    const { url } = await serve(["--log-format", "json"], {}, ["setpriv", ...argv]);
    const { status, text } = await send(url, { path: "/v1/run", body: "id -u" });
    expect([status, text]).toEqual([200, "65534\n"]);
  },
);

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return ""; // it went away while we looked
  }
}
