import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { HeldStart } from "../../../src/edge/held-start.ts";

/** Longer than any test. */
const NEVER_MS = 600_000;

/** An answer whose head is held back, and what the client has of it. */
async function answer(forMs: number, requests = 1) {
  const begun = Promise.withResolvers<{ outgoing: ServerResponse; start: HeldStart }>();
  const starts = new DisposableStack();
  const server = createServer((_incoming, outgoing) => {
    const start = starts.use(new HeldStart(outgoing, forMs));
    outgoing.writeHead(200, { "X-Kind": "held" }).flushHeaders();
    outgoing.write("announced\n");
    begun.resolve({ outgoing, start });
  }).listen(0);
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(requests));
  let received = "";
  client.on("data", (bytes) => (received += bytes.toString("latin1")));
  return {
    ...(await begun.promise),
    client,
    received: () => received,
    async [Symbol.asyncDispose]() {
      starts.dispose();
      client.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const heldBytes = (outgoing: ServerResponse): number => outgoing.socket?.writableLength ?? 0;

test("the start of an answer goes out together with what is written right after its release", async () => {
  await using held = await answer(NEVER_MS);
  expect(heldBytes(held.outgoing)).toBeGreaterThan(0);
  held.start.release();
  held.outgoing.write("said\n");
  const [first] = (await once(held.client, "data")) as [Buffer];
  expect(first.toString("latin1")).toMatch(/^HTTP\/1\.1 200 OK\r\nX-Kind: held\r\n[^]*announced\n[^]*said\n/);
  held.start[Symbol.dispose]();
  held.outgoing.end("last\n");
  while (!held.received().endsWith("0\r\n\r\n")) await once(held.client, "data");
  expect(held.received()).toContain("last\n");
});

test("it goes out by itself when nothing comes in time", async () => {
  await using held = await answer(1);
  while (!held.received().includes("announced\n")) await once(held.client, "data");
  expect(heldBytes(held.outgoing)).toBe(0);
});

test("it goes out with the end of the answer", async () => {
  await using held = await answer(NEVER_MS);
  held.outgoing.end("last\n");
  while (!held.received().endsWith("0\r\n\r\n")) await once(held.client, "data");
  expect(held.received()).toMatch(/announced\n[^]*last\n/);
  held.start[Symbol.dispose]();
});

test("a client that has gone is nobody to hold anything for", async () => {
  await using held = await answer(NEVER_MS);
  const closed = once(held.outgoing, "close");
  held.client.destroy();
  await closed;
  held.start.release();
  held.start[Symbol.dispose]();
  expect(held.outgoing.destroyed).toBe(true);
});

test("an answer that waits for an earlier one on its connection is not held", async () => {
  await using held = await answer(NEVER_MS, 2);
  held.outgoing.end();
  held.start[Symbol.dispose]();
  while (held.received().split("announced\n").length < 3) await once(held.client, "data");
});
