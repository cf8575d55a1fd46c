import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { type LingerLimits, lingerOn } from "../../../src/edge/lingering.ts";

const MIB = 1024 * 1024;
const BYTES = 100 * MIB;
const NEXT = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/** A client that has sent the first byte of an upload and has its answer. */
async function answered(
  respond: RequestListener,
  limits?: LingerLimits,
  headers = "",
): Promise<AsyncDisposable & { client: Socket }> {
  const server = createServer(respond);
  lingerOn(server, limits);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  // One that asks for a close goes on sending when our side has ended.
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: headers !== "" });
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BYTES}\r\n${headers}\r\nx`);
  await answer(client);
  const dispose = async (): Promise<void> => {
    client.destroy();
    server.close();
    await once(server, "close");
  };
  return { client, [Symbol.asyncDispose]: dispose };
}

async function answer(client: Socket): Promise<void> {
  const [head] = (await once(client, "data")) as [Buffer];
  expect(head.toString()).toMatch(/^HTTP\/1.1 507 /);
}

const refuse: RequestListener = (_, response) => void response.writeHead(507).end("full");
const refuseLater: RequestListener = (incoming, response) => {
  incoming.once("data", () => {
    incoming.pause();
    refuse(incoming, response);
  });
  if (incoming.method === "GET") refuse(incoming, response);
};

describe.each([
  ["before it was read", refuse],
  ["when a part of it was read", refuseLater],
])("a body whose answer came %s", (_, respond) => {
  test("may be sent to its end, and the connection goes on", async () => {
    await using upload = await answered(respond);
    const rest = Buffer.alloc(MIB);
    for (let sent = 1; sent < BYTES; sent += MIB) {
      if (!upload.client.write(rest.subarray(0, BYTES - sent))) await once(upload.client, "drain");
    }
    upload.client.write(NEXT);
    await answer(upload.client);
  });

  test("may be sent to its end where the client wants no more than this answer, and is told that it is the last", async () => {
    await using upload = await answered(respond, undefined, "Connection: close\r\n");
    const { client } = upload;
    await once(client, "end");
    const rest = Buffer.alloc(MIB);
    for (let sent = 1; sent < BYTES; sent += MIB) {
      if (!client.write(rest.subarray(0, BYTES - sent))) await once(client, "drain");
    }
    await once(client.end(), "close"); // a reset would have been an error
  });

  test.each([
    ["that stays away", { totalMs: 60_000, silentMs: 20 }, 0],
    ["that never ends", { totalMs: 40, silentMs: 20 }, 1],
  ])("%s is cut off", async (_name, limits, pieceBytes) => {
    await using upload = await answered(respond, limits);
    const { client } = upload;
    client.resume().on("error", () => undefined);
    const piece = Buffer.alloc(pieceBytes);
    const trickle = setInterval(() => client.write(piece), 5);
    await once(client, "close");
    clearInterval(trickle);
  });
});

test("who does not read either is cut off, and watched only once", async () => {
  const server = createServer((_, response) => void response.writeHead(507).end("full"));
  lingerOn(server, { totalMs: 60_000, silentMs: 20 });
  let finishListeners = 0;
  server.on("connection", (socket) => {
    // Nothing that is written ever arrives.
    socket._final = () => undefined;
    socket.on("newListener", (event) => void (finishListeners += event === "finish" ? 1 : 0));
  });
  const closed = once(server, "connection").then(([socket]) => once(socket as Socket, "close"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.on("error", () => undefined);
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BYTES}\r\n\r\nx`);
  await closed;
  expect(finishListeners).toBeLessThan(3);
  client.destroy();
  server.close();
  await once(server, "close");
});

test.each([
  ["its client leaves", (client: Socket) => void client.destroy()],
  ["the body has come after all", (client: Socket) => void client.write(Buffer.alloc(BYTES - 1))],
])("a body is watched no longer when %s", async (_when, act) => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    await using upload = await answered(refuse);
    expect(vi.getTimerCount()).toBe(1);
    act(upload.client.resume());
    while (vi.getTimerCount() > 0) await new Promise((resolve) => setImmediate(resolve));
  } finally {
    vi.useRealTimers();
  }
});
