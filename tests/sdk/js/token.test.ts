import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Sandbox as CodeSandbox } from "@e2b/code-interpreter";
import { AuthenticationError, Sandbox } from "e2b";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../../helpers/built-daemon.ts";
import { type ControlPlane, startControlPlane } from "../../helpers/control-plane.ts";

const TOKEN = "test-token-0123456789abcdef";

let daemon: BuiltDaemon;
let plane: ControlPlane;

beforeAll(async () => {
  daemon = await startBuiltDaemon({ token: TOKEN });
  plane = await startControlPlane(daemon.url, TOKEN);
});
afterAll(async () => {
  await plane?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
});

const options = (): { apiKey: string; apiUrl: string; sandboxUrl: string } => ({
  apiKey: plane.apiKey,
  apiUrl: plane.url,
  sandboxUrl: daemon.url,
});

test("a sandbox made by a control plane runs commands, files and code with its token", async () => {
  const sandbox = await CodeSandbox.create({ ...options(), envs: { FROM_CREATE: "yes" } });
  expect((await sandbox.commands.run("echo $FROM_CREATE")).stdout).toBe("yes\n");
  await sandbox.files.write("/tmp/guestd-token-test", "content");
  expect(await sandbox.files.read("/tmp/guestd-token-test")).toBe("content");
  expect((await sandbox.runCode("import os; os.environ['FROM_CREATE']")).text).toBe("yes");
  const context = await sandbox.createCodeContext();
  expect((await sandbox.runCode("1 + 1", { context })).text).toBe("2");
  expect(await sandbox.isRunning()).toBe(true);
});

test("a sandbox can be connected to and killed", async () => {
  const created = await Sandbox.create(options());
  const connected = await Sandbox.connect(created.sandboxId, options());
  expect((await connected.commands.run("echo hi")).stdout).toBe("hi\n");
  expect(await connected.kill()).toBe(true);
  expect(plane.sandboxes.has(created.sandboxId)).toBe(false);
});

test("without the token nothing runs", async () => {
  const stranger = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
  await expect(stranger.commands.run("true")).rejects.toBeInstanceOf(AuthenticationError);
  await expect(stranger.files.read("/etc/hostname")).rejects.toBeInstanceOf(AuthenticationError);
  await expect(stranger.files.write("/tmp/x", "x")).rejects.toBeInstanceOf(AuthenticationError);
  const code = await CodeSandbox.create({ debug: true, sandboxUrl: daemon.url });
  await expect(code.runCode("1")).rejects.toThrow("401");
});

test("files have addresses that work without the token", async () => {
  const sandbox = await Sandbox.create(options());
  const upload = await sandbox.uploadUrl("/tmp/guestd-signed", { useSignatureExpiration: 60 });
  const form = new FormData();
  form.append("file", new Blob(["signed"]), "guestd-signed");
  expect((await fetch(upload, { method: "POST", body: form })).status).toBe(200);
  const download = await sandbox.downloadUrl("/tmp/guestd-signed", { useSignatureExpiration: 60 });
  expect(await (await fetch(download)).text()).toBe("signed");
  expect((await fetch(download.replace("guestd-signed", "guestd-token-test"))).status).toBe(401);
});

test("these addresses are good for curl too, for what they were made for", async () => {
  const sandbox = await Sandbox.create(options());
  const path = "/tmp/guestd-signed-curl";
  const upload = await sandbox.uploadUrl(path);
  expect(await curl("--form", "file=signed by curl;filename=x", upload)).toMatch(/guestd-signed-curl.* 200$/s);
  const download = await sandbox.downloadUrl(path);
  expect(await curl(download)).toBe("signed by curl 200");
  expect(await curl("--compressed", "--range", "0-5", download)).toBe("signed 206");
  expect(await curl("--form", "file=x", download)).toMatch(/401$/);
  expect(await curl(upload)).toMatch(/401$/);
  expect(await curl(download.replace(/signature=v1_./, "signature=v1_!"))).toMatch(/401$/);
  await sandbox.files.remove(path);
});

/** What an answer says, and its status. */
async function curl(...args: string[]): Promise<string> {
  return (await promisify(execFile)("curl", ["--silent", "--write-out", " %{http_code}", ...args])).stdout;
}
