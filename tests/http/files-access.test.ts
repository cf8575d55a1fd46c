import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SigningAccess, signedUrls } from "../../src/edge/http/signed-url.ts";
import type { EdgeContext } from "../../src/edge/request-context.ts";
import { Access } from "../../src/lifecycle/access.ts";
import { type TestServer, testServer } from "../unit/filesystem/server.ts";

const TOKEN = "0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0";

let server: TestServer;
let path: string;

beforeAll(async () => {
  server = await testServer({ token: TOKEN });
  path = join(server.files.root, "hello.txt");
  await writeFile(path, "hello");
});
afterAll(() => server[Symbol.asyncDispose]());

function sign(
  operation: "read" | "write",
  options: { path?: string; username?: string; expiration?: number } = {},
): string {
  const parts = [options.path ?? path, operation, options.username ?? "", TOKEN, options.expiration];
  const raw = parts.filter((part) => part !== undefined).join(":");
  return `v1_${createHash("sha256").update(raw).digest("base64").replace(/=+$/, "")}`;
}

async function read(query: Record<string, string>, headers: Record<string, string> = {}): Promise<[number, string]> {
  const response = await fetch(`${server.url}/files?${new URLSearchParams({ path, ...query }).toString()}`, {
    headers,
  });
  const text = await response.text();
  return [response.status, response.ok ? text : (JSON.parse(text) as { message: string }).message];
}

function expiring(expiration: number): Record<string, string> {
  return { signature: sign("read", { expiration }), signature_expiration: String(expiration) };
}

describe("with a token", () => {
  test("files are given to those who have it", async () => {
    expect(await read({}, { "X-Access-Token": TOKEN })).toEqual([200, "hello"]);
    expect(await read({}, { "X-Access-Token": "wrong" })).toEqual([
      401,
      "access token present in header but does not match",
    ]);
    expect(await read({ signature: sign("read") }, { "X-Access-Token": "wrong" })).toMatchObject([
      401,
      /does not match/,
    ]);
    expect(await read({})).toEqual([401, "missing signature query parameter"]);
    expect((await fetch(`${server.url}/files?path=${path}`, { method: "HEAD" })).status).toBe(401);
  });

  test("files are given to those who have a signature of what they ask for", async () => {
    expect(await read({ signature: sign("read") })).toEqual([200, "hello"]);
    const { name } = server.files.users.self();
    expect(await read({ username: name, signature: sign("read", { username: name }) })).toEqual([200, "hello"]);
    expect(await read({ username: name, signature: sign("read") })).toEqual([401, "invalid signature"]);
    expect(await read({ signature: sign("write") })).toEqual([401, "invalid signature"]);
    expect(await read({ signature: "v1_x" })).toEqual([401, "invalid signature"]);
  });

  test("a signature holds until it expires", async () => {
    const now = Math.floor(Date.now() / 1000);
    expect(await read(expiring(now + 60))).toEqual([200, "hello"]);
    expect(await read(expiring(now - 60))).toEqual([401, "signature is already expired"]);
    expect(await read({ ...expiring(now + 60), signature_expiration: String(now + 61) })).toEqual([
      401,
      "invalid signature",
    ]);
  });

  test("uploads need one for writing", async () => {
    const target = join(server.files.root, "up");
    const upload = (signature: string): Promise<Response> =>
      fetch(`${server.url}/files?${new URLSearchParams({ path: target, signature }).toString()}`, {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream" },
        body: "x",
      });
    expect((await upload(sign("write", { path: target }))).status).toBe(200);
    expect((await upload(sign("read", { path: target }))).status).toBe(401);
  });
});

test("signs as the contract's example does", () => {
  const access = new Access({ token: TOKEN, isLocked: false });
  const query: Record<string, string> = {
    path: "hello.txt",
    username: "user",
    signature: "v1_gUtH/s9YCJWgCizjfUxuWfhFE4QSydOWEIIvfLwDr6E",
  };
  const request = { header: () => undefined, query: (name?: string) => (name === undefined ? query : query[name]) };
  const context = { req: request } as unknown as EdgeContext;
  expect(() => signedUrls(access)(context, "read")).not.toThrow();
  expect(() => signedUrls(access)(context, "write")).toThrow("invalid signature");
  const open: SigningAccess = new Access({ token: undefined, isLocked: false });
  expect(() => signedUrls(open)(context, "write")).not.toThrow();
});
