import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { readBody } from "../../../src/edge/body.ts";

const LIMIT = 100_000;

/** A server that reads bodies of up to {@link LIMIT} bytes, and a client of its. */
async function connected(): Promise<
  AsyncDisposable & { client: Socket; next(): Promise<IncomingMessage>; read(): Promise<Buffer> }
> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const next = async (): Promise<IncomingMessage> => {
    const [incoming, outgoing] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
    incoming.once("end", () => outgoing.end());
    return incoming;
  };
  return {
    client,
    next,
    read: async () => readBody(await next(), LIMIT),
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function head(bytes: number): string {
  return `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`;
}
const CHUNKED = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

test("a body in one piece, in many, and none, one after the other on a connection", async () => {
  await using server = await connected();
  const large = Buffer.from(Array.from({ length: LIMIT }, (_, index) => index % 251));
  for (const body of [Buffer.from("short"), large, Buffer.alloc(0)]) {
    const read = server.read();
    server.client.write(head(body.length));
    server.client.write(body);
    expect((await read).equals(body)).toBe(true);
    await once(server.client, "data");
  }
});

test("a body that is too large is refused as soon as that shows, and read to its end all the same", async () => {
  await using server = await connected();
  const read = server.read();
  server.client.write(CHUNKED);
  const piece = `${LIMIT.toString(16)}\r\n${"x".repeat(LIMIT)}\r\n`;
  server.client.write(piece);
  server.client.write(piece);
  await expect(read).rejects.toMatchObject({ code: "resource_exhausted", reason: "body_too_large" });
  server.client.write(`${piece}0\r\n\r\n`);
  await once(server.client, "data");
  const second = server.read();
  server.client.write(`${head(2)}ok`);
  expect((await second).toString()).toBe("ok");
});

test("a body that breaks off is told as such, also to who reads it late", async () => {
  await using server = await connected();
  const request = server.next();
  server.client.write(`${head(10)}part`);
  const incoming = await request;
  const read = readBody(incoming, LIMIT);
  server.client.destroy();
  await expect(read).rejects.toMatchObject({ code: "canceled" });
  await expect(readBody(incoming, LIMIT)).rejects.toMatchObject({ code: "canceled" });
});
