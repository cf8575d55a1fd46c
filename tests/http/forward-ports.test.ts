import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { ask, canConnect, outside, outsideIPv6, startServer } from "./port-servers.ts";

/** Node says there that a server of this process is to listen. */
const LISTENS = "tracing:net.server.listen:asyncStart";

let forwarding: TestDaemon;
beforeAll(async () => void (forwarding = await startTestDaemon({ argv: ["--forward-ports"] })));
afterAll(async () => forwarding[Symbol.asyncDispose]());

/** An open connection and what the server has said in it so far. */
async function greeted(port: number, name: string): Promise<{ socket: Socket; rest: () => Promise<string> }> {
  const socket = connect({ port, host: outside, allowHalfOpen: true });
  let said = "";
  socket.setEncoding("utf8").on("data", (part: string) => (said += part));
  await until(() => said === `[${name}]`);
  return {
    socket,
    rest: async () => {
      await once(socket, "end");
      return said.slice(name.length + 2);
    },
  };
}

test("this machine has an address that others could reach", () => expect(outside).toBeDefined());

describe("a program on loopback", () => {
  test("is reachable outside, both ways and to the last byte, until it ends", async () => {
    let port = 0;
    {
      await using run = await startServer(forwarding);
      port = run.port;
      await until(() => canConnect(port));
      expect(await ask(port, "a word ".repeat(200_000))).toBe("A WORD ".repeat(200_000));
    }
    await until(async () => !(await canConnect(port)));
  });

  test.each([
    ["::1", outside],
    ["::ffff:127.0.0.1", outside],
    ["127.0.0.2", outside],
    ["127.0.0.1", outsideIPv6],
    ["::1", outsideIPv6],
  ])("on %s is reachable from %s", async (address, host) => {
    if (host === undefined) return expect(outsideIPv6).toBeUndefined(); // this machine has none
    await using run = await startServer(forwarding, { address });
    await until(() => canConnect(run.port, host));
    expect(await ask(run.port, "hello", host)).toBe("HELLO");
  });

  test("that stops listening serves those it has accepted", async () => {
    await using run = await startServer(forwarding, { name: "A" });
    await until(() => canConnect(run.port));
    const { socket, rest } = await greeted(run.port, "A");
    await run.stopListening();
    await until(async () => !(await canConnect(run.port)));
    socket.end("still here");
    expect(await rest()).toBe("STILL HERE");
  });
});

describe("a port that several programs listen on", () => {
  test("stays open when one of them ends, and so do connections to the others", async () => {
    await using second = await startServer(forwarding, { name: "B", isShared: true });
    const { port } = second;
    await until(() => canConnect(port));
    const before = await greeted(port, "B");
    {
      await using _first = await startServer(forwarding, { name: "A", isShared: true, port });
      await until(async () => (await ask(port, "")) === "[A]");
    }
    await until(async () => (await ask(port, "")) === "[B]");
    before.socket.end("same as before");
    expect(await before.rest()).toBe("SAME AS BEFORE");
  });

  test("goes over from one to its successor", async () => {
    const first = await startServer(forwarding, { name: "A", isShared: true });
    const { port } = first;
    await until(() => canConnect(port));
    const opened = forwardsOpened(port);
    await using _second = await startServer(forwarding, { name: "B", isShared: true, port });
    await first.stopListening();
    await until(async () => (await ask(port, "")) === "[B]");
    await first[Symbol.asyncDispose]();
    expect(await ask(port, "")).toBe("[B]");
    expect(forwardsOpened(port)).toBe(opened);
  });

  test("on addresses of both families is reachable by what is left", async () => {
    const first = await startServer(forwarding, { name: "four" });
    const { port } = first;
    await using _second = await startServer(forwarding, { name: "six", address: "::1", port });
    await until(async () => (await canConnect(port)) && (await ask(port, "")) === "[four]");
    if (outsideIPv6 !== undefined) await until(async () => (await ask(port, "", outsideIPv6)) === "[six]");
    await first[Symbol.asyncDispose]();
    await until(async () => (await canConnect(port)) && (await ask(port, "")) === "[six]");
  });
});

function forwardsOpened(port: number): number {
  return forwarding.log.filter((line) => line["event"] === "forward.opened" && line["port"] === port).length;
}

test("a port that is open outside already is left alone, until it is not", async () => {
  const own = createServer((socket) => socket.end("mine")).listen(0, outside);
  await once(own, "listening");
  const { port } = own.address() as AddressInfo;
  await using _inside = await startServer(forwarding, { port, name: "theirs" });
  const refusals = (): unknown[] =>
    forwarding.log.filter(
      (line) => line["event"] === "forward.refused" && line["port"] === port && line["host"] === outside,
    );
  await until(() => refusals().length > 0);
  expect(
    forwarding.log.some(
      (line) => line["event"] === "forward.opened" && line["port"] === port && line["host"] === outside,
    ),
  ).toBe(false);
  expect(await text(connect({ port, host: outside }))).toBe("mine");
  own.close();
  await until(async () => (await canConnect(port)) && (await ask(port, "")) === "[theirs]");
  expect(refusals()).toHaveLength(1);
});

test("a port that cannot be had is not tried again because others come and go", async () => {
  const attempts: number[] = [];
  const note = (message: unknown): void => {
    const { server, options } = message as { server: Server; options: { host?: string; port?: number } };
    if (server !== own && options.host === outside && options.port === port) attempts.push(performance.now());
  };
  const own = createServer().listen(0, outside);
  await once(own, "listening");
  const { port } = own.address() as AddressInfo;
  subscribe(LISTENS, note);
  try {
    await using _inside = await startServer(forwarding, { port });
    await until(() => attempts.length > 0);
    for (let round = 0; round < 6; round += 1) {
      await using other = await startServer(forwarding);
      await until(() => canConnect(other.port));
    }
    // Only the look at everything tries again, every two seconds.
    const [first = 0] = attempts;
    expect(attempts.length).toBeLessThanOrEqual(2 + Math.floor((performance.now() - first) / 2000));
  } finally {
    unsubscribe(LISTENS, note);
    own.close();
  }
});
