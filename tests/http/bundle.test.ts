import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
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
  };`;
const probe = join(tmpdir(), `guestd-code-cache-probe-${process.pid}.cjs`);
/** Says on stderr what became of the code cache. */
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
  expect(lines.join("\n")).toMatch(/Cannot find module '\.\/lazy\/to-json-schema\.js'/);
  expect((await send(url, { path: "/v1/run", body: "echo up" })).text).toBe("up\n");
});
