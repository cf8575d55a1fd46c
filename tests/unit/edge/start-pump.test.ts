import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { startPump } from "../../../src/edge/pump.ts";

const disposals: (() => void)[] = [];
afterEach(() => {
  for (const dispose of disposals.splice(0)) dispose();
});

interface Started {
  port: number;
  /** Settles as `startPump` does. */
  begun: Promise<void>;
  /** Settles when the pump fails after that. */
  failed: Promise<unknown>;
}

async function start(frames: AsyncIterable<Uint8Array>): Promise<Started> {
  const begun = Promise.withResolvers<void>();
  begun.promise.catch(() => undefined);
  const failed = Promise.withResolvers<unknown>();
  const server = createServer((_incoming, outgoing) => {
    startPump(frames, outgoing, { headers: {}, onFailure: failed.resolve }).then(begun.resolve, (error: unknown) => {
      begun.reject(error);
      outgoing.destroy();
    });
  }).listen(0);
  await once(server, "listening");
  disposals.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, begun: begun.promise, failed: failed.promise };
}

async function fetchFrom(port: number): Promise<IncomingMessage> {
  const [response] = (await once(get({ port, agent: false }), "response")) as [IncomingMessage];
  return response;
}

/** Frames, the second only when `gate` opens. */
async function* twoFrames(gate: Promise<void>): AsyncGenerator<Buffer> {
  yield Buffer.from("first ");
  await gate;
  yield Buffer.from("last");
}

test("a pump has begun with its first frame, and goes on to the last by itself", async () => {
  const gate = Promise.withResolvers<void>();
  const { port, begun } = await start(twoFrames(gate.promise));
  const response = await fetchFrom(port);
  await begun;
  gate.resolve();
  expect(await text(response)).toBe("first last");
});

test("one without any frame has begun when it has ended", async () => {
  const { port, begun } = await start((async function* () {})());
  const response = await fetchFrom(port);
  await begun;
  expect(await text(response)).toBe("");
});

test("a failure before the first frame is told to whoever started it", async () => {
  const { port, begun } = await start({
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("early")) }),
  });
  get({ port, agent: false }).on("error", () => undefined);
  await expect(begun).rejects.toThrow("early");
});

test("a later one cuts the connection, and is told too", async () => {
  const gate = Promise.withResolvers<void>();
  const { port, begun, failed } = await start(twoFrames(gate.promise));
  const response = await fetchFrom(port);
  await begun;
  gate.reject(new Error("late"));
  await expect(text(response)).rejects.toThrow("aborted");
  expect(await failed).toMatchObject({ message: "late" });
});

test("a client that goes away ends the pump and closes its source", async () => {
  const closed = Promise.withResolvers<void>();
  const { port, begun } = await start(
    (async function* () {
      try {
        for (;;) {
          yield Buffer.from("again");
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        closed.resolve();
      }
    })(),
  );
  const response = await fetchFrom(port);
  response.on("error", () => undefined);
  await begun;
  response.destroy();
  await closed.promise;
});
