import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { REPOSITORY, until } from "../helpers/daemon.ts";
import { type Installation, installForEverybody } from "../helpers/installation.ts";
import { FIRST_ANSWER_MS } from "../../src/start-work.ts";
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
/** However long the first request takes to come, nothing else is begun before it. */
const FIRST_ANSWER = `
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (run, ms, ...args) => setTimeout(run, ms === ${FIRST_ANSWER_MS} ? 60_000 : ms, ...args);
  let encoders = 0;
  globalThis.TextEncoder = class extends TextEncoder {
    constructor(...args) {
      super(...args);
      encoders += 1;
    }
  };
  const { ServerResponse } = require("node:http");
  const { end } = ServerResponse.prototype;
  ServerResponse.prototype.end = function (...args) {
    ServerResponse.prototype.end = end;
    const loaded = ["crypto", "v8", "worker_threads"].filter((name) => process.moduleLoadList.includes("NativeModule " + name));
    process.stderr.write("before the first answer: " + JSON.stringify({ loaded, encoders }) + "\\n");
    return end.apply(this, args);
  };`;
/** As long as that any timer of the daemon's would have rung. */
const SLOW_ANSWER = `
  const { ServerResponse } = require("node:http");
  const { end } = ServerResponse.prototype;
  ServerResponse.prototype.end = function (...args) {
    for (const until = Date.now() + Number(process.env.ANSWER_MS); Date.now() < until; );
    return end.apply(this, args);
  };`;
const PROBES = { tellTale: TELL_TALE, firstAnswer: FIRST_ANSWER, slowAnswer: SLOW_ANSWER };
const probes = mkdtempSync(join(tmpdir(), "guestd-bundle-probes-"));
const probe = (name: keyof typeof PROBES): string => join(probes, `${name}.cjs`);
/** Says on stderr what became of the code cache, and in the end what of Node's HTTP clients was loaded. */
const watched = (main: string): [string, ...string[]] => [process.execPath, "--require", probe("tellTale"), main];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let installation: Installation;

beforeAll(() => {
  for (const name of Object.keys(PROBES) as (keyof typeof PROBES)[]) writeFileSync(probe(name), PROBES[name]);
  installation = installForEverybody();
});
afterEach(endServed);
afterAll(() => {
  installation[Symbol.dispose]();
  rmSync(probes, { recursive: true });
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

test("the build makes the same code cache however slow its machine is", async () => {
  const argv = ["--random-seed=1", "--require", probe("slowAnswer"), join(REPOSITORY, "code-cache.config.ts")];
  const make = async (answerMs: number): Promise<string> => {
    await promisify(execFile)(process.execPath, [...argv, join(installation.root, "dist")], {
      env: { PATH: process.env["PATH"], ANSWER_MS: `${answerMs}` },
    });
    return readFileSync(file("guestd.code-cache"), "latin1");
  };
  // Seldom a round gives other bytes than the others, as the build knows.
  const [quick, slow] = [new Set<string>(), new Set<string>()];
  const isAlike = (): boolean => [...quick].some((bytes) => slow.has(bytes));
  for (let round = 0; round < 4 && !isAlike(); round += 1) {
    quick.add(await make(0));
    slow.add(await make(60));
  }
  expect(isAlike()).toBe(true);
});

describe("the first answer waits for nothing that it does not need", () => {
  test.each([
    ["plain", {}],
    ["with a token", { GUESTD_TOKEN: "secret" }],
    ["with files that say which sandbox this is", { GUESTD_IDENTITY_DIR: "identity" }],
  ])("%s", async (_, { GUESTD_IDENTITY_DIR, ...env }: Record<string, string>) => {
    const identity = GUESTD_IDENTITY_DIR && { GUESTD_IDENTITY_DIR: join(installation.root, GUESTD_IDENTITY_DIR) };
    const command = [process.execPath, "--require", probe("firstAnswer"), MAIN] as const;
    const { url, lines } = await serve([], { ...env, ...identity }, [...command]);
    for (const _request of ["first", "second"]) {
      expect((await send(url, { method: "GET", path: "/health" })).headers["x-request-id"]).toMatch(UUID);
    }
    const told = (): string | undefined => lines.find((line) => line.startsWith("before the first answer"));
    await until(() => told() !== undefined);
    expect(told()).toBe('before the first answer: {"loaded":[],"encoders":0}');
  });
});
