import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { pipe } from "../../src/host/libc.ts";
import { bareHttp } from "./bare-http.ts";
import { bareTerminalDrain, bareTerminalEcho } from "./bare-terminal.ts";
import { memoryOf } from "./process-figures.ts";

/** Bytes moved in a time. */
export interface Transfer {
  bytes: number;
  seconds: number;
  /** Of the process that moved them. */
  cpuSeconds: number;
}

/** What can be measured without a daemon. */
export const BARE_TASKS = {
  spawnTimes,
  spawnRate,
  drain,
  feed,
  hold,
  http: bareHttp,
  terminalEcho: bareTerminalEcho,
  terminalDrain: bareTerminalDrain,
};
export type BareTasks = typeof BARE_TASKS;

/** `child_process.spawn` of /bin/true as it is by default, one after the other: until its `close`, and how long the call blocked. */
async function spawnTimes({ count }: { count: number }): Promise<{ waitMs: number[]; blockedMs: number[] }> {
  const waitMs: number[] = [];
  const blockedMs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const began = performance.now();
    const child = spawn("/bin/true");
    blockedMs.push(performance.now() - began);
    await closed(child);
    waitMs.push(performance.now() - began);
  }
  return { waitMs, blockedMs };
}

/** The same, several at a time: programs per second. */
async function spawnRate({ count, concurrency }: { count: number; concurrency: number }): Promise<number> {
  let left = count;
  const began = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) await closed(spawn("/bin/true"));
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return count / ((performance.now() - began) / 1000);
}

/** Drains a program's output: a real pipe, a `net.Socket` with `onread` and one buffer. */
async function drain({ command }: { command: [string, ...string[]] }): Promise<Transfer> {
  const { readEnd, writeEnd } = pipe();
  const [file, ...args] = command;
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  let bytes = 0;
  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  const count = (length: number): boolean => ((bytes += length), true);
  const child = spawn(file, args, { stdio: ["ignore", writeEnd, "inherit"] });
  closeSync(writeEnd);
  const socket = new Socket({ fd: readEnd, readable: true, writable: false, onread: { buffer, callback: count } });
  socket.resume();
  await Promise.all([once(socket, "end"), once(child, "exit")]);
  const transfer = { bytes, ...since(began, cpuBefore) };
  socket.destroy();
  return transfer;
}

/** Writes to a program's input as fast as the pipe takes it, one message after the other. */
async function feed(options: {
  command: [string, ...string[]];
  messageBytes: number;
  messages: number;
}): Promise<Transfer> {
  const { command, messageBytes, messages } = options;
  const { readEnd, writeEnd } = pipe();
  const [file, ...args] = command;
  const message = Buffer.alloc(messageBytes, "x");
  const child = spawn(file, args, { stdio: [readEnd, "ignore", "inherit"] });
  closeSync(readEnd);
  const socket = new Socket({ fd: writeEnd, readable: false, writable: true });
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  for (let index = 0; index < messages; index += 1) {
    await new Promise<void>((resolve, reject) => {
      socket.write(message, (error) => (error ? reject(error) : resolve()));
    });
  }
  const transfer = { bytes: messages * messageBytes, ...since(began, cpuBefore) };
  socket.end();
  await once(child, "exit");
  return transfer;
}

/** Private memory that each of `count` sleeping children with pipes costs this process. */
async function hold({ count }: { count: number }): Promise<{ bytesPerChild: number }> {
  await spawnTimes({ count: 50 });
  const before = memoryOf(process.pid).privateBytes;
  const children = Array.from({ length: count }, () => spawn("sleep", ["600"]));
  await Promise.all(children.map((child) => once(child, "spawn")));
  const after = memoryOf(process.pid).privateBytes;
  const ends = children.map(closed);
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(ends);
  return { bytesPerChild: (after - before) / count };
}

async function closed(child: ChildProcess): Promise<void> {
  child.stdout?.resume();
  child.stderr?.resume();
  await once(child, "close");
}

function since(began: number, cpuBefore: NodeJS.CpuUsage): Omit<Transfer, "bytes"> {
  const { user, system } = process.cpuUsage(cpuBefore);
  return { seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 };
}
