import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { idleFigures } from "../lib/idle-figures.ts";
import { NextEvent } from "../lib/next-event.ts";
import { report } from "../lib/report.ts";
import { median, quantile } from "../lib/statistics.ts";

const MANY = 50;
const IDLE_MS = 10_000;
/** A daemon works on for so long after its start: code is compiled, memory is collected. */
const START_MS = 30_000;
const SETTLE_MS = 2000;
const OPENINGS = 100;

/** What it costs to tell of new listeners, and how soon they are told. */
export async function benchPorts(): Promise<void> {
  await using plain = await startBuiltDaemon();
  await using forwarding = await startForwarding();
  await pause(START_MS);
  await benchFollowers(plain);
  await benchForwarder(forwarding);
  await benchLatency();
}

/** A reader of `/v1/ports?follow=1`; disposing it leaves. */
interface Follower extends Disposable {
  text: () => string;
  changed: NextEvent;
}

async function follow({ port }: BuiltDaemon): Promise<Follower> {
  const leaving = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/v1/ports?follow=1`, { signal: leaving.signal });
  const changed = new NextEvent();
  let text = "";
  const read = async (): Promise<void> => {
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      changed.happened();
    }
  };
  read().catch(() => undefined); // it ends when we leave
  return { text: () => text, changed, [Symbol.dispose]: () => leaving.abort() };
}

/** Nobody is silent where others open and close ports: all on the machine are told. */
function linesOf({ text }: Follower): number {
  return text().split("\n").length;
}

async function benchFollowers(daemon: BuiltDaemon): Promise<void> {
  const none = await idleFigures([daemon.pid], IDLE_MS);
  using followers = new DisposableStack();
  const first = followers.use(await follow(daemon));
  await pause(SETTLE_MS);
  const beforeOne = linesOf(first);
  const one = await idleFigures([daemon.pid], IDLE_MS);
  const afterOne = linesOf(first);
  for (let count = 1; count < MANY; count += 1) followers.use(await follow(daemon));
  await pause(SETTLE_MS);
  const beforeMany = linesOf(first);
  const many = await idleFigures([daemon.pid], IDLE_MS);
  const words = (figures: typeof none): string =>
    `${figures.cpuPercent.toFixed(2)} %, ${figures.wakeUpsPerSecond.toFixed(1)} wake-ups/s`;
  report({
    what: "CPU with a silent follower of ports",
    unit: "%",
    ours: one.cpuPercent,
    target: { on: "ours", atMost: 0.5 },
    note: `${words(one)}, ${afterOne - beforeOne} events of other programs meanwhile; with none ${words(none)}`,
  });
  report({
    what: `CPU with ${MANY} silent followers of ports`,
    unit: "%",
    ours: many.cpuPercent,
    target: { on: "ours", atMost: 0.5 },
    note: `${words(many)}, ${linesOf(first) - beforeMany} events of other programs meanwhile`,
  });
}

/** One with a port of its own to forward. */
async function startForwarding(): Promise<BuiltDaemon> {
  const daemon = await startBuiltDaemon({ argv: ["--forward-ports"] });
  const cmd = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(600)";
  await fetch(`http://127.0.0.1:${daemon.port}/v1/run`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ cmd: "python3", args: ["-c", cmd], background: true }),
  });
  return daemon;
}

async function benchForwarder(daemon: BuiltDaemon): Promise<void> {
  const { cpuPercent, wakeUpsPerSecond } = await idleFigures([daemon.pid], IDLE_MS);
  report({
    what: "CPU with --forward-ports and a port forwarded",
    unit: "%",
    ours: cpuPercent,
    target: { on: "ours", atMost: 0.5 },
    note: `${wakeUpsPerSecond.toFixed(1)} wake-ups/s`,
  });
}

/** From `listen` to the event at the follower. */
async function benchLatency(): Promise<void> {
  await using daemon = await startBuiltDaemon();
  using follower = await follow(daemon);
  const tookMs: number[] = [];
  for (let index = 0; index < OPENINGS; index += 1) {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const began = performance.now();
    const { port } = server.address() as AddressInfo;
    while (!follower.text().includes(`"opened","port":${port},`)) await follower.changed.next();
    tookMs.push(performance.now() - began);
    server.close();
    // Not in step with the looks.
    await pause(Math.random() * 100);
  }
  report({
    what: "a new port is told, the slowest of the first 99 %",
    unit: "ms",
    ours: quantile(tookMs, 0.99),
    target: { on: "ours", atMost: 200 },
    note: `median ${median(tookMs).toFixed(0)} ms, of ${OPENINGS}`,
  });
}
