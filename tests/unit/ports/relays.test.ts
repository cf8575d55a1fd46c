import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { createLogger } from "../../../src/log.ts";
import { Relays } from "../../../src/ports/relays.ts";
import { until } from "../../helpers/daemon.ts";

interface Listener extends AsyncDisposable {
  port: number;
}

async function listen(onConnection: (socket: Socket) => void): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => undefined));
    onConnection(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

interface Place extends AsyncDisposable {
  /** Of the front. */
  port: number;
  log: Record<string, unknown>[];
}

/** A program, and a front whose connections are handed on to it. */
async function relayed(program: (socket: Socket) => void, most = 10): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const log: Record<string, unknown>[] = [];
  const write = (line: string): void => void log.push(JSON.parse(line) as Record<string, unknown>);
  const relays = stack.use(new Relays({ most, log: createLogger({ level: "info", format: "json", write }) }));
  const inside = stack.use(await listen(program));
  const front = stack.use(await listen((socket) => relays.begin(socket, { host: "127.0.0.1", port: inside.port })));
  const owned = stack.move();
  return { port: front.port, log, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function client(port: number): Socket {
  // Whoever waits for something of it hears of its errors.
  return connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined);
}

/** Sends a word and resolves with what comes back. */
async function greet(socket: Socket): Promise<string> {
  socket.write("hello");
  return String((await once(socket, "data"))[0]);
}

test("a program may end its half first and go on reading", async () => {
  const heard = Promise.withResolvers<string>();
  await using place = await relayed((socket) => {
    socket.end("that is all");
    text(socket).then(heard.resolve, heard.reject);
  });
  const socket = client(place.port);
  expect(await text(socket)).toBe("that is all");
  socket.end("and more ".repeat(100_000));
  expect(await heard.promise).toBe("and more ".repeat(100_000));
});

test("a client that does not read holds up its program, and gets everything when it does", async () => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  let isStuck = false;
  await using place = await relayed((socket) => {
    const block = Buffer.alloc(64 * 1024, "x");
    const write = (): void => {
      while (written < total) {
        written += block.length;
        if (!socket.write(block)) return void socket.once("drain", write);
      }
      socket.end();
    };
    write();
    const watch = setInterval(() => {
      const before = written;
      setImmediate(() => (isStuck = written === before && socket.writableNeedDrain));
    }, 50).unref();
    socket.once("close", () => clearInterval(watch));
  });
  const socket = client(place.port).pause();
  await until(() => isStuck);
  // What the system and the relay keep in between is far less.
  expect(written).toBeLessThan(total / 2);
  let received = 0;
  socket.on("data", (part: Buffer) => (received += part.length)).resume();
  await once(socket, "end");
  expect(received).toBe(total);
  socket.end();
});

test("a connection too many is cut, which is told once; the place of one that ends is free again", async () => {
  await using place = await relayed((socket) => socket.pipe(socket), 2);
  const [first, second] = [client(place.port), client(place.port)];
  expect([await greet(first), await greet(second)]).toEqual(["hello", "hello"]);
  for (const tooMany of [client(place.port), client(place.port)]) {
    await new Promise((resolve) => tooMany.once("close", resolve));
  }
  expect(place.log.map(({ event }) => event)).toEqual(["forward.full"]);
  first.destroy();
  await until(async () => {
    const next = client(place.port);
    const isServed = await greet(next).then(
      (said) => said === "hello",
      () => false,
    );
    next.destroy();
    return isServed;
  });
  second.destroy();
});

test("a program that breaks off is no program that ends", async () => {
  await using place = await relayed((socket) => socket.once("data", () => socket.resetAndDestroy()));
  const socket = client(place.port);
  socket.write("go on");
  await expect(text(socket)).rejects.toThrow("ECONNRESET");
});

test("a program that is gone is a connection that ends", async () => {
  const gone = await listen(() => undefined);
  const { port } = gone;
  await gone[Symbol.asyncDispose]();
  using relays = new Relays({ most: 1, log: createLogger({ level: "error", format: "json", write: () => undefined }) });
  await using front = await listen((socket) => relays.begin(socket, { host: "127.0.0.1", port }));
  await expect(text(client(front.port))).rejects.toThrow("ECONNRESET");
});
