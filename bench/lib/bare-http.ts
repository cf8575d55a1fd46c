import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { pipe } from "../../src/host/libc.ts";

const PREFIX_BYTES = 5;
const END_STREAM = 2;
const PIECE_BYTES = 64 * 1024;

/**
 * A server that answers `Process/Start` in JSON with nothing in between: what a pipe brings goes out as an event at once, base64 made by
 * `Buffer`. No log, no replay, no second reader: the least that any server of Node's does for this. It stays until its process ends.
 */
export async function bareHttp(): Promise<{ port: number; pid: number }> {
  const server = createServer((incoming, outgoing) => {
    void buffer(incoming).then((body) => {
      const { process: program } = JSON.parse(body.toString("utf8", PREFIX_BYTES)) as {
        process: { cmd: string; args: string[] };
      };
      outgoing.writeHead(200, { "Content-Type": "application/connect+json" });
      return sendOutput([program.cmd, ...program.args], outgoing);
    });
  });
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, pid: process.pid };
}

async function sendOutput([file = "", ...args]: readonly string[], outgoing: ServerResponse): Promise<void> {
  const { readEnd, writeEnd } = pipe();
  const child = spawn(file, args, { stdio: ["ignore", writeEnd, "inherit"] });
  closeSync(writeEnd);
  const exited = once(child, "exit");
  outgoing.write(frame(`{"event":{"start":{"pid":${child.pid}}}}`));
  const callback = (length: number, bytes: Uint8Array): boolean => {
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString("base64");
    return outgoing.write(frame(`{"event":{"data":{"stdout":"${base64}"}}}`));
  };
  const onread = { buffer: Buffer.allocUnsafeSlow(PIECE_BYTES), callback };
  const socket = new Socket({ fd: readEnd, readable: true, writable: false, onread });
  outgoing.on("drain", () => socket.resume());
  socket.resume();
  await Promise.all([once(socket, "end"), exited]);
  outgoing.write(frame('{"event":{"end":{"exitCode":0,"exited":true,"status":"exit status 0"}}}'));
  outgoing.end(frame("{}", END_STREAM));
}

function frame(json: string, flags = 0): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + json.length);
  bytes[0] = flags;
  bytes.writeUInt32BE(json.length, 1);
  bytes.write(json, PREFIX_BYTES, "latin1");
  return bytes;
}
