import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { pacedRequests } from "../../../src/edge/paced-requests.ts";

const AT_ONCE = 60;
const POST = "POST /v1/run?cmd=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1";

/** A server that notes whom it was handed. */
async function serve(taken: string[]): Promise<AsyncDisposable & { port: number }> {
  const paced = pacedRequests(
    (incoming: IncomingMessage, outgoing: ServerResponse) => {
      taken.push(incoming.method ?? "");
      outgoing.end("ok");
    },
    () => taken.push("dropped"),
  );
  const server = createServer(paced).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("of many requests that come at once all are handed on, and who only asks does not wait for them", async () => {
  const taken: string[] = [];
  await using server = await serve(taken);
  const socket = connect(server.port, "127.0.0.1");
  const others = Array.from({ length: AT_ONCE }, () => connect(server.port, "127.0.0.1"));
  await Promise.all([socket, ...others].map((each) => once(each, "connect")));
  const answered = others.map((each) => once(each, "data"));
  for (const each of others) each.write(POST);
  socket.write("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  await Promise.all([once(socket, "data"), ...answered]);
  expect(taken).toHaveLength(AT_ONCE + 1);
  // Some may have come, and passed, in turns before.
  expect(taken.indexOf("GET")).toBeLessThan(AT_ONCE / 2);
  for (const each of [socket, ...others]) each.destroy();
});

test("one alone does not wait, and whatever starts nothing never does", () => {
  const taken: string[] = [];
  const paced = pacedRequests(
    ({ url }) => taken.push(url ?? ""),
    () => undefined,
  );
  const ask = (url: string): void => paced({ url } as IncomingMessage, {} as ServerResponse);
  ask("/process.Process/Start");
  for (let index = 0; index < 9; index += 1) ask("/v1/run");
  ask("/process.Process/SendSignal");
  ask("/v1/runs");
  expect(taken).toEqual(["/process.Process/Start", "/v1/run", "/process.Process/SendSignal", "/v1/runs"]);
});

test("one whose client has left while it waited is dropped, and that is told", async () => {
  const taken: string[] = [];
  const paced = pacedRequests(
    ({ method }) => taken.push(`took ${method}`),
    ({ method }) => taken.push(`dropped ${method}`),
  );
  const ask = (method: string, isGone = { incoming: false, outgoing: false }): void => {
    const incoming = { method, url: "/v1/run", destroyed: false };
    const outgoing = { destroyed: false };
    paced(incoming as IncomingMessage, outgoing as ServerResponse);
    incoming.destroyed = isGone.incoming;
    outgoing.destroyed = isGone.outgoing;
  };
  for (let index = 0; index < 4; index += 1) ask("POST");
  ask("first", { incoming: false, outgoing: true });
  // An answer that waits behind another one on its connection is not told that this has ended.
  ask("second", { incoming: true, outgoing: false });
  ask("last");
  await expect.poll(() => taken.at(-1)).toBe("took last");
  expect(taken.slice(4)).toEqual(["dropped first", "dropped second", "took last"]);
});
