import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { pacedRequests } from "../../../src/edge/paced-requests.ts";

const AT_ONCE = 60;
const POST = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1";

/** A server that notes whom it was handed. */
async function serve(taken: string[]): Promise<AsyncDisposable & { port: number }> {
  const paced = pacedRequests((incoming: IncomingMessage, outgoing: ServerResponse) => {
    taken.push(incoming.method ?? "");
    outgoing.end("ok");
  });
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
  expect(taken.indexOf("GET")).toBeLessThan(AT_ONCE);
  for (const each of [socket, ...others]) each.destroy();
});

test("one alone does not wait", async () => {
  const taken: string[] = [];
  const paced = pacedRequests(({ method }) => taken.push(method ?? ""));
  const request = { method: "POST", headers: { "content-length": "1" } } as unknown as IncomingMessage;
  paced(request, { destroyed: false } as ServerResponse);
  expect(taken).toEqual(["POST"]);
});

test("one whose client has left while it waited is not handed on", async () => {
  const taken: string[] = [];
  const paced = pacedRequests(({ method }) => taken.push(method ?? ""));
  const headers = { "transfer-encoding": "chunked" };
  const ask = (method: string): { destroyed: boolean } => {
    const outgoing = { destroyed: false };
    paced({ method, headers } as unknown as IncomingMessage, outgoing as ServerResponse);
    return outgoing;
  };
  for (let index = 0; index < 10; index += 1) ask("POST");
  ask("PATCH").destroyed = true;
  ask("PUT");
  await expect.poll(() => taken.at(-1)).toBe("PUT");
  expect(taken).not.toContain("PATCH");
});
