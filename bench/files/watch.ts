import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { Connection } from "../lib/connection.ts";
import { liveThreadsCpuSeconds, memoryOf, wakeUps } from "../lib/process-figures.ts";
import { report } from "../lib/report.ts";
import { median, quantile } from "../lib/statistics.ts";

const CHANGES = 500;
const BURST = 40_000;
const WATCHERS = 100;
const IDLE_MS = 5000;

/** Watching: how soon a change is known, a burst of changes, and what watchers cost that see nothing. */
export async function benchWatch(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-bench-watch-"));
  try {
    await using daemon = await startBuiltDaemon();
    await latency(daemon, folder);
    await burst(daemon, folder);
    await idle(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A stream that calls back with each message's text once it has begun. */
async function follow(connection: Connection, folder: string, onMessage: (text: string) => void): Promise<void> {
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const request = Buffer.from(JSON.stringify({ path: folder, recursive: true }));
  const stream = connection.stream("/filesystem.Filesystem/WatchDir", request, ({ head }) => {
    const text = head.toString("latin1");
    if (text.includes('"start"')) resolve();
    else onMessage(text);
  });
  stream.catch(() => undefined); // cut with the connection
  await started;
}

/** From before the write to the message in this process. */
async function latency(daemon: BuiltDaemon, folder: string): Promise<void> {
  using connection = await Connection.open(daemon.port);
  const file = join(folder, "changing");
  writeFileSync(file, "");
  let seen = Promise.withResolvers<void>();
  await follow(connection, folder, () => seen.resolve());
  const ms: number[] = [];
  for (let index = 0; index < CHANGES; index += 1) {
    seen = Promise.withResolvers();
    const began = performance.now();
    appendFileSync(file, "x");
    await seen.promise;
    ms.push(performance.now() - began);
    await pause(1);
  }
  const note = "from before the write to the event at the client, WatchDir";
  report({
    what: "watch latency, p50",
    unit: "ms",
    ours: median(ms),
    target: { on: "ours", atMost: 0.5 },
    usual: "0.26 ms",
    note,
  });
  report({ what: "the same, p99", unit: "ms", ours: quantile(ms, 0.99) });
}

/** Files made in one go, by a process that reads only afterwards. */
async function burst(daemon: BuiltDaemon, folder: string): Promise<void> {
  using connection = await Connection.open(daemon.port);
  const { promise: complete, resolve } = Promise.withResolvers<void>();
  let count = 0;
  let rescans = 0;
  await follow(connection, folder, (text) => {
    if (text.includes('"rescan"')) rescans += 1;
    if (text.includes("EVENT_TYPE_CREATE")) count += 1;
    if (count >= BURST) resolve();
  });
  const began = performance.now();
  for (let index = 0; index < BURST; index += 1) writeFileSync(join(folder, `f${index}`), "");
  const madeMs = performance.now() - began;
  await complete;
  const ms = performance.now() - began;
  const note = `made in ${Math.round(madeMs)} ms; ${rescans === 0 ? "nothing lost" : `${rescans} times told to look again`}`;
  report({
    what: `burst of ${BURST} files: all events at the client after`,
    unit: "ms",
    ours: ms,
    usual: "dies",
    note,
  });
}

async function idle(folder: string): Promise<void> {
  await using daemon = await startBuiltDaemon();
  using connection = await Connection.open(daemon.port);
  const create = Buffer.from(JSON.stringify({ path: folder }));
  // The first one brings the code.
  await connection.call("/filesystem.Filesystem/CreateWatcher", create);
  await pause(500);
  const before = memoryOf(daemon.pid).privateBytes;
  for (let index = 0; index < WATCHERS; index += 1) {
    await connection.call("/filesystem.Filesystem/CreateWatcher", create);
  }
  await pause(500);
  const bytes = (memoryOf(daemon.pid).privateBytes - before) / WATCHERS;
  const [cpu, waked] = [liveThreadsCpuSeconds(daemon.pid), wakeUps(daemon.pid)];
  await pause(IDLE_MS);
  const seconds = IDLE_MS / 1000;
  const percent = ((liveThreadsCpuSeconds(daemon.pid) - cpu) / seconds) * 100;
  const perSecond = (wakeUps(daemon.pid) - waked) / seconds;
  report({ what: `memory of one of ${WATCHERS} idle watchers`, unit: "KiB", ours: bytes / 1024 });
  report({
    what: `CPU of a daemon with ${WATCHERS} idle watchers`,
    unit: "%",
    ours: percent,
    note: `${perSecond.toFixed(1)} wake-ups a second`,
  });
}
