import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import type { IPty } from "node-pty";
import { pipe } from "../../src/host/libc.ts";
import { openBareTerminal } from "./bare-terminal.ts";

const PREFIX_BYTES = 5;
const END_STREAM = 2;
const PIECE_BYTES = 64 * 1024;

interface StartMessage {
  process: { cmd: string; args: string[] };
  pty?: unknown;
}

interface ControlMessage {
  input?: { pty: string };
  signal?: number;
}

/**
 * A server that answers `Process/Start` in JSON with nothing in between: what a pipe or a terminal brings goes out as an event at once,
 * base64 made by `Buffer`. Whatever else it is sent is for the terminal that it started last. No log, no replay, no second reader: the
 * least that any server of Node's does for this. It stays until its process ends.
 */
export async function bareHttp(): Promise<{ port: number; pid: number }> {
  let terminal: IPty | undefined;
  const server = createServer((incoming, outgoing) => {
    void buffer(incoming).then(async (body) => {
      if (incoming.url !== "/process.Process/Start") {
        const { input, signal } = JSON.parse(body.toString()) as ControlMessage;
        if (input) terminal?.write(Buffer.from(input.pty, "base64"));
        if (signal !== undefined) terminal?.kill();
        outgoing.writeHead(200, { "Content-Type": "application/json" }).end("{}");
        return;
      }
      const { process: program, pty } = JSON.parse(body.toString("utf8", PREFIX_BYTES)) as StartMessage;
      const command = [program.cmd, ...program.args];
      outgoing.writeHead(200, { "Content-Type": "application/connect+json" });
      if (pty) terminal = await sendTerminal(command, outgoing);
      else await sendOutput(command, outgoing);
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
  const callback = (length: number, bytes: Uint8Array): boolean =>
    outgoing.write(dataFrame("stdout", Buffer.from(bytes.buffer, bytes.byteOffset, length)));
  const onread = { buffer: Buffer.allocUnsafeSlow(PIECE_BYTES), callback };
  const socket = new Socket({ fd: readEnd, readable: true, writable: false, onread });
  outgoing.on("drain", () => socket.resume());
  socket.resume();
  await Promise.all([once(socket, "end"), exited]);
  sendEnd(outgoing);
}

async function sendTerminal(command: readonly string[], outgoing: ServerResponse): Promise<IPty> {
  const terminal = await openBareTerminal(command, (bytes) => outgoing.write(dataFrame("pty", bytes)));
  outgoing.write(frame(`{"event":{"start":{"pid":${terminal.pid}}}}`));
  terminal.onExit(() => sendEnd(outgoing));
  return terminal;
}

function sendEnd(outgoing: ServerResponse): void {
  outgoing.write(frame('{"event":{"end":{"exitCode":0,"exited":true,"status":"exit status 0"}}}'));
  outgoing.end(frame("{}", END_STREAM));
}

function dataFrame(stream: "stdout" | "pty", bytes: Buffer): Buffer {
  return frame(`{"event":{"data":{"${stream}":"${bytes.toString("base64")}"}}}`);
}

function frame(json: string, flags = 0): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + json.length);
  bytes[0] = flags;
  bytes.writeUInt32BE(json.length, 1);
  bytes.write(json, PREFIX_BYTES, "latin1");
  return bytes;
}
