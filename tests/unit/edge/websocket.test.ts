import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Peer } from "../../../src/edge/websocket.ts";

const PING_MS = 25_000;

let server: WebSocketServer;
let client: WebSocket;
let peer: Peer;

async function connect(options: { autoPong: boolean }): Promise<void> {
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, options);
  const [[socket]] = (await Promise.all([once(server, "connection"), once(client, "open")])) as [[WebSocket], unknown];
  peer = new Peer(socket);
}

// Pings go by this clock, the network by its own.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => {
  vi.useRealTimers();
  client.terminate();
  server.close();
});

test("a silent connection is pinged, and stays as long as the other side answers", async () => {
  await connect({ autoPong: true });
  const [serverSide] = server.clients;
  for (let round = 0; round < 4; round += 1) {
    const ping = once(client, "ping");
    const pong = once(serverSide as WebSocket, "pong");
    vi.advanceTimersByTime(PING_MS);
    await Promise.all([ping, pong]);
  }
  expect(peer.signal.aborted).toBe(false);
});

test("one that answers no ping is given up at the next, and its timer with it", async () => {
  await connect({ autoPong: false });
  const ping = once(client, "ping");
  vi.advanceTimersByTime(PING_MS - 1);
  vi.advanceTimersByTime(1);
  await ping;
  expect(peer.signal.aborted).toBe(false);
  const closed = once(client, "close");
  const gone = once(peer.signal, "abort");
  vi.advanceTimersByTime(PING_MS);
  expect((await closed)[0]).toBe(1006);
  await gone;
  expect(vi.getTimerCount()).toBe(0);
});

test("one whose answer could not be read since we were stopped is asked once more", async () => {
  await connect({ autoPong: false });
  const first = once(client, "ping");
  vi.advanceTimersByTime(PING_MS);
  await first;
  const resumedAt = performance.now() + 10 * PING_MS;
  const clock = vi.spyOn(performance, "now").mockReturnValue(resumedAt);
  const second = once(client, "ping");
  vi.advanceTimersByTime(PING_MS);
  await second;
  expect(peer.signal.aborted).toBe(false);
  clock.mockReturnValue(resumedAt + PING_MS);
  const closed = once(client, "close");
  vi.advanceTimersByTime(PING_MS);
  expect((await closed)[0]).toBe(1006);
  clock.mockRestore();
});

test("a connection that the client closes is pinged no more", async () => {
  await connect({ autoPong: true });
  const gone = once(peer.signal, "abort");
  client.close();
  await gone;
  expect(vi.getTimerCount()).toBe(0);
  peer.sendJson({ type: "late" }); // to nobody, and no error
});
