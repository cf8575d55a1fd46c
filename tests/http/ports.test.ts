import { once } from "node:events";
import { createServer } from "node:net";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ListeningSockets, parseProcNet } from "../../src/host/listening-sockets.ts";
import { startTestDaemon, startToyDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { listedPorts, startServer } from "./port-servers.ts";
import { ToyContext } from "./toy-context.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

describe("GET /v1/ports", () => {
  test("lists what programs listen on, with their runs, and nothing of guestd's own", async () => {
    await using run = await startServer(daemon);
    const ports = await listedPorts(daemon);
    const own = Number(new URL(daemon.url).port);
    expect(ports.find(({ port }) => port === own)).toBeUndefined();
    expect(ports.find(({ port }) => port === run.port)).toEqual({
      port: run.port,
      address: "127.0.0.1",
      pid: expect.any(Number) as number,
      command: "python3",
      run: run.id,
    });
  });

  test.each([
    ["that has left its session and its parent", '(setsid "$@" &); sleep 600'],
    ["of a pipeline", '"$@" | cat'],
  ])("knows the run of a program %s", async (_name, wrap) => {
    await using run = await startServer(daemon, { wrap });
    expect((await listedPorts(daemon)).find(({ port }) => port === run.port)?.run).toBe(run.id);
  });

  test("writes addresses of IPv6 in their usual form", async () => {
    await using run = await startServer(daemon, { address: "::1" });
    expect((await listedPorts(daemon)).find(({ port }) => port === run.port)?.address).toBe("::1");
  });

  test("writes what Java takes for loopback as an address of IPv4", async () => {
    await using run = await startServer(daemon, { address: "::ffff:127.0.0.1" });
    expect((await listedPorts(daemon)).find(({ port }) => port === run.port)?.address).toBe("::ffff:127.0.0.1");
  });

  test("knows the context of what a cell has opened", async () => {
    await using toys = await startToyDaemon();
    await using context = await ToyContext.create(toys.interpreterUrl);
    const lines = await context.run("listen");
    const port = Number(lines.find(({ type }) => type === "stdout")?.["text"]);
    const found = (await listedPorts(toys)).find((listed) => listed.port === port);
    expect(found).toEqual({
      port,
      address: "127.0.0.1",
      pid: expect.any(Number) as number,
      command: expect.any(String) as string,
      context: context.id,
    });
    const table = await (await toys.fetch("/v1/ports", { headers: { Accept: "text/plain" } })).text();
    expect(table).toMatch(new RegExp(`^ *${port} 127\\.0\\.0\\.1 .* context ${context.id}$`, "m"));
  });

  test("is a table for people", async () => {
    await using run = await startServer(daemon);
    const table = await (await daemon.fetch("/v1/ports", { headers: { Accept: "text/plain" } })).text();
    expect(table).toMatch(new RegExp(`^ *${run.port} 127\\.0\\.0\\.1 +python3 pid \\d+ ${run.id}$`, "m"));
  });

  test.each(["ndjson", "sse"])("goes on with what comes and goes, as %s", async (format) => {
    const accept = format === "sse" ? "text/event-stream" : "application/x-ndjson";
    const leaving = new AbortController();
    const answer = await daemon.fetch("/v1/ports?follow=1", { headers: { Accept: accept }, signal: leaving.signal });
    let seen = "";
    const reading = (async () => {
      for await (const chunk of answer.body ?? []) seen += Buffer.from(chunk as Uint8Array).toString();
    })().catch(() => undefined);
    await until(() => seen.includes('"type":"ready"'));
    let port = 0;
    {
      await using run = await startServer(daemon);
      port = run.port;
      await until(() => seen.includes(`"type":"opened","port":${port},`));
      expect(seen).toContain(`"run":"${run.id}"`);
    }
    await until(() => seen.includes(`"type":"closed","port":${port},`));
    leaving.abort();
    await reading;
  });
});

test("is told to any number of followers, each from the beginning", async () => {
  const leaving = new AbortController();
  await using run = await startServer(daemon);
  const seen = Array.from({ length: 20 }, () => "");
  const reading = seen.map(async (_, index) => {
    const answer = await daemon.fetch("/v1/ports?follow=1", { signal: leaving.signal });
    for await (const chunk of answer.body ?? []) seen[index] += Buffer.from(chunk as Uint8Array).toString();
  });
  await until(() => seen.every((text) => text.includes(`"type":"opened","port":${run.port},`)));
  await using second = await startServer(daemon);
  await until(() => seen.every((text) => text.includes(`"type":"opened","port":${second.port},`)));
  leaving.abort();
  await Promise.allSettled(reading);
  for (const text of seen) expect(text.split(`"type":"opened","port":${run.port},`)).toHaveLength(2);
});

test("a question that the kernel does not answer is asked anew", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const before = new Set(readdirSync("/proc/self/fd").filter(linkOf));
  using sockets = new ListeningSockets();
  const fd = readdirSync("/proc/self/fd").find((name) => !before.has(name) && linkOf(name).startsWith("socket:"));
  const { port } = server.address() as { port: number };
  // In its place is something that cannot be asked.
  closeSync(Number(fd));
  expect(openSync("/dev/null", "r")).toBe(Number(fd));
  const isListed = (): boolean => sockets.list().some((socket) => socket.port === port);
  expect([isListed(), isListed()]).toEqual([true, true]);
  expect(linkOf(`${fd}`)).toMatch(/^socket:/);
  server.close();
});

test("the kernel's answer and /proc say the same", async () => {
  const servers = [createServer().listen(0, "127.0.0.1"), createServer().listen(0, "::1"), createServer().listen(0)];
  await Promise.all(servers.map((server) => once(server, "listening")));
  using sockets = new ListeningSockets();
  const files = [["/proc/net/tcp", "ipv4"] as const, ["/proc/net/tcp6", "ipv6"] as const];
  const fromProc = files.flatMap(([file, family]) => parseProcNet(readFileSync(file, "latin1"), family));
  const ports = new Set(servers.map((server) => (server.address() as { port: number }).port));
  const mine = (list: readonly { port: number; inode: number }[]): unknown[] =>
    list.filter(({ port }) => ports.has(port)).toSorted((a, b) => a.inode - b.inode);
  expect(mine(sockets.list())).toHaveLength(3);
  expect(mine(sockets.list())).toEqual(mine(fromProc));
  for (const server of servers) server.close();
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the one of the listing itself
  }
}
