import { createHash } from "node:crypto";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Identity, Users } from "../../src/host/users.ts";
import { startBuiltDaemon } from "../helpers/built-daemon.ts";
import { keepProcessorsBusy } from "../helpers/busy.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { installForEverybody } from "../helpers/installation.ts";

/** What `POST /v1/run` answers. */
interface Result {
  ending: string;
  exitCode: number | null;
  stdout: string;
  stderr: string;
  pipesHeldBy?: { pid: number; command: string }[];
}

const isRoot = process.geteuid?.() === 0;
const account: Identity = isRoot ? new Users().get("user") : new Users().self();
const REOPEN = "echo a >/dev/stderr; echo b | tee /dev/stdout; cat /dev/stdin";

async function run(url: string, body: Record<string, unknown>): Promise<Result> {
  const response = await fetch(`${url}/v1/run`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Result;
}

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

describe(`a program of ${account.name}`, () => {
  test("can reopen its standard streams, with input and without", async () => {
    const args = ["-c", REOPEN];
    const withInput = await run(daemon.url, { cmd: "sh", args, user: account.name, stdin: "input\n" });
    expect(withInput).toMatchObject({ exitCode: 0, stdout: "b\nb\ninput\n", stderr: "a\n" });
    const without = await run(daemon.url, { cmd: "sh", args, user: account.name });
    expect(without).toMatchObject({ exitCode: 0, stdout: "b\nb\n", stderr: "a\n" });
  });

  test("has the account's groups and none of root's", async () => {
    const { stdout } = await run(daemon.url, { cmd: "id", args: ["-G"], user: account.name });
    const groups = stdout.trim().split(" ").map(Number);
    expect(new Set(groups)).toEqual(new Set(account.groups));
    if (account.uid !== 0) expect(groups).not.toContain(0);
  });

  test("has descriptors 0, 1 and 2 and nothing else", async () => {
    const { stdout } = await run(daemon.url, { cmd: "ls", args: ["/proc/self/fd"], user: account.name });
    expect(stdout.trim().split("\n")).toEqual(["0", "1", "2", "3"]); // 3 is the folder that ls reads
  });

  test("has the environment of a login and nothing of the daemon's", async () => {
    const { stdout } = await run(daemon.url, { cmd: "env", user: account.name, envs: { GIVEN: "1" } });
    const names = stdout
      .trim()
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(names.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual([
      "E2B_SANDBOX",
      "GIVEN",
      "HOME",
      "LOGNAME",
      "PATH",
      "USER",
    ]);
    expect(stdout).toContain(`HOME=${account.home}\n`);
    expect(stdout).not.toContain("node_modules/.bin");
  });

  test("starts with default signals, an ordinary file mode and a sane limit of descriptors", async () => {
    const script = "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status; umask; ulimit -n";
    const { stdout } = await run(daemon.url, { cmd: "sh", args: ["-c", script], user: account.name });
    expect(stdout).toContain("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    expect(stdout).toMatch(/\n0022\n\d{4,5}\n$/);
  });
});

test("a daemon of an ordinary user runs programs as that user", { skip: !isRoot }, async () => {
  using installation = installForEverybody();
  await using own = await startBuiltDaemon({ installation, account, argv: ["--kernels", "python"] });
  const result = await run(own.url, { cmd: "sh", args: ["-c", REOPEN], stdin: "input\n" });
  expect(result).toMatchObject({ exitCode: 0, stdout: "b\nb\ninput\n", stderr: "a\n" });
  expect((await run(own.url, { cmd: "id", args: ["-un"] })).stdout).toBe(`${account.name}\n`);
  const refused = await fetch(`${own.url}/v1/run?user=root`, { method: "POST", body: "true" });
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({ code: "permission_denied", reason: "user_not_switchable" });
});

describe("the end of a run", () => {
  test("is the end of the program, not of whoever holds its pipes, who is named", async () => {
    const began = performance.now();
    const result = await run(daemon.url, { cmd: "sh", args: ["-c", "sleep 30 & echo hi"] });
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(result).toMatchObject({ ending: "exited", exitCode: 0, stdout: "hi\n" });
    expect(result.pipesHeldBy?.map(({ command }) => command)).toEqual(["sleep"]);
    process.kill(result.pipesHeldBy?.[0]?.pid ?? 0, "SIGKILL");
  });

  test("comes after every byte, also on a busy machine", async () => {
    using _busy = keepProcessorsBusy();
    const MIB = 1024 * 1024;
    const expected = createHash("sha256").update(Buffer.alloc(MIB, "0123456789abcde\n")).digest("hex");
    const script = "yes 0123456789abcde | head -c 1048576";
    const wrong: string[] = [];
    const one = async (): Promise<void> => {
      const response = await fetch(`${daemon.url}/v1/run`, { method: "POST", body: script });
      const body = Buffer.from(await response.arrayBuffer());
      const digest = createHash("sha256").update(body).digest("hex");
      if (digest !== expected) wrong.push(`${body.length} bytes`);
    };
    for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 10 }, one));
    expect(wrong).toEqual([]);
  }, 120_000);
});

test("a client that stops reading slows nobody", async () => {
  const MIB = 1024 * 1024;
  const started = await fetch(`${daemon.url}/v1/run?background=1`, {
    method: "POST",
    body: `sleep 0.3; head -c ${100 * MIB} /dev/zero; echo end >&2`,
  });
  const { id } = (await started.json()) as { id: string };
  const stalled = request(`${daemon.url}/v1/runs/${id}/log?follow=1`);
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  stalled.on("response", (response) => {
    response.pause();
    resolve();
  });
  stalled.on("error", () => undefined).end();
  const reading = await fetch(`${daemon.url}/v1/runs/${id}/log?follow=1&stream=stdout`);
  await connected;
  let size = 0;
  for await (const chunk of reading.body as unknown as AsyncIterable<Uint8Array>) size += chunk.length;
  expect(size).toBe(100 * MIB);
  const { ending } = (await (await fetch(`${daemon.url}/v1/runs/${id}/wait`)).json()) as Result;
  expect(ending).toBe("exited");
  stalled.destroy();
});
