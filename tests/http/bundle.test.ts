import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { REPOSITORY, until } from "../helpers/daemon.ts";
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

function file(name: string): string {
  return join(installation.root, "dist", name);
}

function change(name: string, edit: (bytes: Buffer) => Buffer): void {
  writeFileSync(file(name), edit(readFileSync(file(name))));
}

function flipOneBit(bytes: Buffer): Buffer {
  const middle = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  return bytes;
}

/** Where the daemon listens that has started without the cache. */
async function startsWithout(): Promise<string> {
  const { url, lines } = await serve([], {}, watched(file("main.js")));
  expect(lines[0]).toBe("code cache absent");
  expect((await send(url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
  return url;
}

describe("a code cache costs time and nothing else", () => {
  test("when one bit of it is wrong", async () => {
    change("guestd.code-cache", flipOneBit);
    await startsWithout();
    change("guestd.code-cache", flipOneBit);
  });

  test("when it is of another bundle, be that as long as this one", async () => {
    const [before, after] = ["404 page not found", "404 page not there"];
    change("guestd.js", (bytes) => Buffer.from(bytes.toString().replace(before, after)));
    const url = await startsWithout();
    expect((await send(url, { method: "GET", path: "/nothing" })).text).toBe(`${after}\n`);
    change("guestd.js", (bytes) => Buffer.from(bytes.toString().replace(after, before)));
  });

  test.each([10_000, 8, 3, 0])("when it ends after %i bytes", async (length) => {
    truncateSync(file("guestd.code-cache"), length);
    await startsWithout();
  });

  test("when it is gone", async () => {
    rmSync(file("guestd.code-cache"));
    await startsWithout();
  });
});

test("what little of the work needs is beside the bundle, as small as it is used", () => {
  const lazy = join(REPOSITORY, "dist", "lazy");
  const names = ["chokidar", "simple-git", "systeminformation-lib-memory", "to-json-schema"];
  expect(readdirSync(lazy).filter((name) => !name.endsWith(".map"))).toEqual(names.map((name) => `${name}.js`));
  const program = readFileSync(join(REPOSITORY, "dist", "guestd.js"), "latin1");
  const loaded = [...program.matchAll(/require\("\.\/lazy\/([^"]+)\.js"\)/g)].map(([, name]) => name);
  expect(new Set(loaded)).toEqual(new Set(names));
});

test("what is loaded when first asked for and cannot be is an answer of its own; all else goes on", async () => {
  rmSync(file("lazy/to-json-schema.js"));
  const { url, lines } = await serve([], {}, [process.execPath, file("main.js")]);
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

test("the daemon that the build starts obeys no settings of the machine that builds", async () => {
  const settings = join(installation.root, "settings.json");
  writeFileSync(settings, "of another daemon");
  const temporary = mkdtempSync(join(installation.root, "tmp-"));
  const builder = join(REPOSITORY, "code-cache.config.ts");
  const before = readFileSync(join(REPOSITORY, "dist", "guestd.code-cache"));
  await promisify(execFile)(process.execPath, ["--random-seed=1", builder, join(installation.root, "dist")], {
    env: { PATH: process.env["PATH"], GUESTD_CONFIG: settings, TMPDIR: temporary },
  });
  expect(readdirSync(temporary)).toEqual([]);
  expect(readFileSync(file("guestd.code-cache")).subarray(0, 4)).toEqual(before.subarray(0, 4));
});
