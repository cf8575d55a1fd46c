import { once } from "node:events";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ListeningSockets, parseProcNet } from "../../src/host/listening-sockets.ts";
import { readFileSync } from "node:fs";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

/** Listens on a port of the given address (0: any) and prints it; sends back in capitals what each client sends. */
const SERVER = `
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
server = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    data = b""
    while part := client.recv(65536): data += part
    client.sendall(data.upper()); client.close()
`;

interface Listed {
  port: number;
  address: string;
  pid?: number;
  command?: string;
  run?: string;
}
interface Run extends AsyncDisposable {
  id: string;
  port: number;
}

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

async function api(of: TestDaemon, path: string, init?: RequestInit): Promise<unknown> {
  return (await of.fetch(path, init)).json();
}

/** A run that listens; `wrap` is the shell line around the server. */
async function startServer(
  of: TestDaemon,
  { address = "127.0.0.1", port = 0, wrap = 'exec "$@"' }: { address?: string; port?: number; wrap?: string } = {},
): Promise<Run> {
  const args = ["-c", wrap, "sh", "/usr/bin/python3", "-c", SERVER, address, `${port}`];
  const body = { cmd: "sh", args, background: true };
  const headers = { "Content-Type": "application/json" };
  const { id } = (await api(of, "/v1/run", { method: "POST", headers, body: JSON.stringify(body) })) as { id: string };
  let output = "";
  await until(async () => /\d\n/.test((output = await (await of.fetch(`/v1/runs/${id}/log`)).text())), 20_000);
  return {
    id,
    port: Number(output),
    [Symbol.asyncDispose]: async () => void (await of.fetch(`/v1/runs/${id}`, { method: "DELETE" })),
  };
}

const listed = async (of: TestDaemon): Promise<Listed[]> => ((await api(of, "/v1/ports")) as { ports: Listed[] }).ports;

describe("GET /v1/ports", () => {
  test("lists what programs listen on, with their runs, and nothing of guestd's own", async () => {
    await using run = await startServer(daemon);
    const ports = await listed(daemon);
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
    expect((await listed(daemon)).find(({ port }) => port === run.port)?.run).toBe(run.id);
  });

  test("writes addresses of IPv6 in their usual form", async () => {
    await using run = await startServer(daemon, { address: "::1" });
    expect((await listed(daemon)).find(({ port }) => port === run.port)?.address).toBe("::1");
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

describe("--forward-ports", () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === "IPv4")?.address;
  let forwarding: TestDaemon;
  beforeAll(async () => void (forwarding = await startTestDaemon({ argv: ["--forward-ports"] })));
  afterAll(async () => forwarding[Symbol.asyncDispose]());

  test("this machine has an address that others could reach", () => expect(outside).toBeDefined());

  test("makes a program on loopback reachable outside, both ways and to the last byte, until it ends", async () => {
    let port = 0;
    {
      await using run = await startServer(forwarding);
      port = run.port;
      await until(() => canConnect(port, outside));
      const socket = connect({ port, host: outside, allowHalfOpen: true });
      socket.end("a word ".repeat(200_000));
      expect(await text(socket)).toBe("A WORD ".repeat(200_000));
    }
    await until(async () => !(await canConnect(port, outside)));
  });

  test("leaves a port alone that is open outside already", async () => {
    const own = createServer((socket) => socket.end("mine")).listen(0, outside);
    await once(own, "listening");
    const { port } = own.address() as { port: number };
    await using _inside = await startServer(forwarding, { port });
    await until(() => forwarding.log.some(({ event, port: which }) => event === "forward.refused" && which === port));
    expect(await text(connect({ port, host: outside }))).toBe("mine");
    own.close();
  });
});

async function canConnect(port: number, host: string | undefined): Promise<boolean> {
  const socket = connect({ port, host });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
