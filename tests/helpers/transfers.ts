import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { crc32 } from "node:zlib";

const CHUNK = Buffer.alloc(1024 * 1024, "bytes of a large body, again and again ");

/** Of what went over the wire. */
export interface Sum {
  bytes: number;
  crc: number;
}

function begin(url: string, path: string, method: string, headers: Record<string, string | number>): ClientRequest {
  return request(`${url}/files?${new URLSearchParams({ path }).toString()}`, { method, headers, agent: false });
}

/** Uploads `bytes` of a pattern as a raw body. With `cutAt` the connection is cut after so many of them. */
export async function uploadPattern(
  url: string,
  path: string,
  bytes: number,
  options: { cutAt?: number } = {},
): Promise<Sum & { status: number }> {
  const outgoing = begin(url, path, "POST", { "Content-Type": "application/octet-stream", "Content-Length": bytes });
  const answered = once(outgoing, "response");
  answered.catch(() => undefined);
  const early = new AbortController();
  outgoing.once("response", () => early.abort());
  const end = options.cutAt ?? bytes;
  let crc = 0;
  // An answer that comes early (a full disk) ends the sending too.
  for (let sent = 0; sent < end && !early.signal.aborted; sent += CHUNK.length) {
    const piece = CHUNK.subarray(0, Math.min(CHUNK.length, end - sent));
    crc = crc32(piece, crc);
    if (!outgoing.write(piece)) await Promise.race([once(outgoing, "drain"), answered]);
  }
  if (options.cutAt !== undefined) {
    outgoing.flushHeaders();
    await flushed(outgoing);
    await new Promise<void>((resolve) => {
      outgoing.on("error", () => undefined).on("close", resolve);
      outgoing.destroy();
    });
    return { bytes: end, crc, status: 0 };
  }
  if (!early.signal.aborted) outgoing.end();
  const [incoming] = (await answered) as [IncomingMessage];
  incoming.resume();
  await once(incoming, "end");
  outgoing.destroy();
  return { bytes, crc, status: incoming.statusCode ?? 0 };
}

/** Resolves when the system has everything that was written so far: what is cut before that may never have been sent at all. */
async function flushed(outgoing: ClientRequest): Promise<void> {
  const socket = outgoing.socket ?? ((await once(outgoing, "socket")) as [Socket])[0];
  if (socket.connecting) await once(socket, "connect");
  await new Promise((resolve) => {
    socket.write("", resolve);
  });
}

/** Downloads a file and keeps nothing of it. */
export async function downloadSum(url: string, path: string): Promise<Sum & { status: number }> {
  const outgoing = begin(url, path, "GET", {});
  outgoing.end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  let [bytes, crc] = [0, 0];
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    bytes += piece.length;
    crc = crc32(piece, crc);
  }
  return { bytes, crc, status: incoming.statusCode ?? 0 };
}
