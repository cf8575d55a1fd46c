import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { pump, type PumpOptions } from "../../../src/edge/pump.ts";
import { until } from "../../helpers/daemon.ts";

const disposals: (() => void)[] = [];
afterEach(() => {
  for (const dispose of disposals.splice(0)) dispose();
});

interface Served {
  response: IncomingMessage;
  outgoing: ServerResponse;
  /** Settles as the pump does. */
  pumped: Promise<void>;
}

/** Serves `frames` through a real socket to one client. */
async function serve(frames: AsyncIterable<Uint8Array>, options: Partial<PumpOptions> = {}): Promise<Served> {
  const { promise, resolve } = Promise.withResolvers<Omit<Served, "response">>();
  const server = createServer((_incoming, outgoing) => {
    const pumped = pump(frames, outgoing, { headers: { "X-Kind": "frames" }, ...options });
    pumped.catch(() => undefined);
    resolve({ outgoing, pumped });
  }).listen(0);
  await once(server, "listening");
  const request = get({ port: (server.address() as AddressInfo).port, agent: false });
  request.on("error", () => undefined);
  disposals.push(() => {
    request.destroy();
    server.closeAllConnections();
    server.close();
  });
  const served = await promise;
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.on("error", () => undefined);
  return { ...served, response };
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("latin1")) text += chunk;
  return text;
}

async function* of(...frames: string[]): AsyncGenerator<Buffer> {
  for (const frame of frames) {
    await Promise.resolve();
    yield Buffer.from(frame);
  }
}

async function* failing(): AsyncGenerator<Buffer> {
  yield Buffer.from("first");
  throw new Error("late");
}

async function* blocks(count: number): AsyncGenerator<Buffer> {
  for (let index = 0; index < count; index += 1) yield Buffer.alloc(64 * 1024, "x");
}

async function* pausing(before: Promise<void>): AsyncGenerator<Buffer> {
  yield Buffer.from("first ");
  await before;
  yield Buffer.from(" last");
}

async function* steady(): AsyncGenerator<Buffer> {
  for (let index = 0; index < 10; index += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    yield Buffer.from("x");
  }
}

describe("frames", () => {
  test("arrive in order, after status and headers, and the answer ends with them", async () => {
    const { response, pumped } = await serve(of("a", "b", "c"), { status: 202 });
    expect([response.statusCode, response.headers["x-kind"]]).toEqual([202, "frames"]);
    expect(await readAll(response)).toBe("abc");
    await pumped;
  });

  test("may be none: status and headers come all the same", async () => {
    const { response } = await serve(of());
    expect([response.statusCode, response.headers["x-kind"], await readAll(response)]).toEqual([200, "frames", ""]);
  });

  test("are followed by trailers that are asked for at the end", async () => {
    let isOver = false;
    async function* frames(): AsyncGenerator<Buffer> {
      yield* of("a");
      isOver = true;
    }
    const { response } = await serve(frames(), {
      headers: { Trailer: "X-Over" },
      trailers: () => ({ "X-Over": String(isOver) }),
    });
    await readAll(response);
    expect(response.trailers).toEqual({ "x-over": "true" });
  });
});

describe("a source that fails", () => {
  test("late leaves the answer open for whoever called to cut it off", async () => {
    const { response, outgoing, pumped } = await serve(failing());
    await expect(pumped).rejects.toThrow("late");
    expect([outgoing.headersSent, outgoing.writableEnded]).toEqual([true, false]);
    outgoing.destroy();
    await expect(readAll(response)).rejects.toThrow(/aborted/);
  });
});

describe("a client that goes away", () => {
  test("ends the pump and closes the source, while it is silent for ever", async () => {
    let isClosed = false;
    const { promise: silence, resolve } = Promise.withResolvers<void>();
    async function* frames(): AsyncGenerator<Buffer> {
      try {
        yield Buffer.from("first");
        await silence;
        yield Buffer.from("never");
      } finally {
        isClosed = true;
      }
    }
    const { response, outgoing, pumped } = await serve(frames());
    response.destroy();
    await once(outgoing, "close");
    resolve(); // sources end their waiting by the request's signal
    await pumped;
    expect(isClosed).toBe(true);
  });

  test("while it did not read ends the pump too", async () => {
    let isClosed = false;
    async function* frames(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.alloc(64 * 1024);
      } finally {
        isClosed = true;
      }
    }
    const { response, outgoing, pumped } = await serve(frames());
    await until(() => outgoing.writableNeedDrain);
    response.destroy();
    await pumped;
    expect(isClosed).toBe(true);
  });
});

describe("a client that reads slowly", () => {
  test("is waited for: no more is pulled than its socket takes, and nothing is lost", async () => {
    let pulled = 0;
    async function* frames(): AsyncGenerator<Buffer> {
      for (; pulled < 500; pulled += 1) yield Buffer.alloc(64 * 1024, "x");
    }
    const { response, outgoing } = await serve(frames());
    await until(() => outgoing.writableNeedDrain);
    const before = pulled;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([pulled, pulled < 300]).toEqual([before, true]);
    expect((await readAll(response)).length).toBe(500 * 64 * 1024);
  });

  test("gets no keepalives piled up on what it has not read", async () => {
    const { response, outgoing } = await serve(blocks(200), { keepalive: { bytes: Buffer.from("k"), everyMs: 5 } });
    await until(() => outgoing.writableNeedDrain);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await readAll(response)).replaceAll("x", "").length).toBeLessThan(10);
  });
});

describe("keepalives", () => {
  test("fill the silence after the first frame, and stop with the answer", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { response } = await serve(pausing(promise), { keepalive: { bytes: Buffer.from("."), everyMs: 10 } });
    let text = "";
    for await (const chunk of response.setEncoding("latin1")) {
      text += chunk;
      if (text.length > 8) resolve();
    }
    expect(text).toMatch(/^first \.{3,} last$/);
  });

  test("do not come before the first frame, unless the headers are out already", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* late(): AsyncGenerator<Buffer> {
      await promise;
      yield Buffer.from("x");
    }
    const options = { keepalive: { bytes: Buffer.from("."), everyMs: 5 } };
    const serving = serve(late(), options);
    await new Promise((done) => setTimeout(done, 50));
    resolve();
    expect(await readAll((await serving).response)).toMatch(/^x\.*$/);
  });

  test("start over with each frame", async () => {
    const { response } = await serve(steady(), { keepalive: { bytes: Buffer.from("."), everyMs: 60 } });
    expect(await readAll(response)).toBe("x".repeat(10));
  });
});
