import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
import { type Installation, installForEverybody } from "../helpers/installation.ts";
import { endServed, MAIN, serve } from "../unit/config/daemon-process.ts";
import { send } from "../unit/edge/connect/wire-client.ts";

const TELL_TALE = `
  const vm = require("node:vm");
  const { Script } = vm;
  vm.Script = class extends Script {
    constructor(...args) {
      super(...args);
      process.stderr.write("code cache " + (this.cachedDataRejected === undefined ? "absent" : this.cachedDataRejected ? "refused" : "taken") + "\\n");
    }
  };
  process.on("exit", () => {
    process.stderr.write("loaded: " + process.moduleLoadList.filter((name) => /undici|http2|tls/.test(name)).join() + "\\n");
  });`;
const probe = join(tmpdir(), `guestd-code-cache-probe-${process.pid}.cjs`);
/** Says on stderr what became of the code cache, and in the end what of Node's HTTP clients was loaded. */
const watched = (main: string): [string, ...string[]] => [process.execPath, "--require", probe, main];

let installation: Installation;

beforeAll(() => {
  writeFileSync(probe, TELL_TALE);
  installation = installForEverybody();
});
afterEach(endServed);
afterAll(() => {
  installation[Symbol.dispose]();
  rmSync(probe);
});

test("starts with what V8 compiled when it was built", async () => {
  const { url, lines } = await serve([], {}, watched(MAIN));
  expect(lines[0]).toBe("code cache taken");
  expect((await send(url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
});

test("a code cache that is broken or gone costs time and nothing else", async () => {
  const cache = join(installation.root, "dist", "guestd.code-cache");
  const main = join(installation.root, "dist", "main.js");
  truncateSync(cache, 10_000);
  const broken = await serve([], {}, watched(main));
  expect(broken.lines[0]).toBe("code cache refused");
  expect((await send(broken.url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
  rmSync(cache);
  const gone = await serve([], {}, watched(main));
  expect(gone.lines[0]).toBe("code cache absent");
  expect((await send(gone.url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
});

test("what is loaded when first asked for and cannot be is an answer of its own; all else goes on", async () => {
  rmSync(join(installation.root, "dist", "lazy", "to-json-schema.js"));
  const { url, lines } = await serve([], {}, [process.execPath, join(installation.root, "dist", "main.js")]);
  for (const _ of [1, 2]) {
    const { status, text } = await send(url, { method: "GET", path: "/openapi.json" });
    expect([status, JSON.parse(text)]).toEqual([500, expect.objectContaining({ code: "internal" })]);
  }
  await until(() => lines.some((line) => line.includes("Cannot find module './lazy/to-json-schema.js'")));
  expect((await send(url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
});

test("answers of all kinds do without Node's HTTP client", async () => {
  const { child, url, lines, exited } = await serve([], {}, watched(MAIN));
  const answers = [
    await send(url, { method: "GET", path: "/health" }),
    await send(url, { method: "GET", path: "/v1/info" }),
    await send(url, { method: "GET", path: "/metrics" }),
    await send(url, { method: "GET", path: "/docs" }),
    await send(url, { method: "GET", path: "/openapi.json" }),
    await send(url, { method: "GET", path: "/v1/files/etc/hostname" }),
    await send(url, { method: "GET", path: "/v1/nothing" }),
    await send(url, { method: "DELETE", path: "/v1/info" }),
    await send(url, { method: "HEAD", path: "/v1/files/etc/hostname" }),
    await send(url, { path: "/v1/run", body: "echo up" }),
    await send(url, {
      path: "/filesystem.Filesystem/Stat",
      headers: { "Content-Type": "application/json" },
      body: '{"path":"/etc"}',
    }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([204, 200, 200, 200, 200, 200, 404, 405, 200, 200, 200]);
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/pty?cmd=echo%20up`);
  await new Promise((resolve) => socket.addEventListener("close", resolve));
  child.kill("SIGTERM");
  await exited;
  await until(() => lines.some((line) => line.startsWith("loaded: ")));
  expect(lines).toContain("loaded: ");
});
