import { setTimeout as pause } from "node:timers/promises";
import { startBare } from "../lib/bare.ts";
import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { Connection } from "../lib/connection.ts";
import { idleFigures } from "../lib/idle-figures.ts";
import { descendantsOf, memoryOf } from "../lib/process-figures.ts";
import { startProgram } from "../lib/program-stream.ts";
import { report } from "../lib/report.ts";
import { median } from "../lib/statistics.ts";

const STREAMS = 200;
const SAMPLES = 3;
/** So many short programs run first, so that what grows once has grown. */
const WARM_UP = 300;
const SETTLE_MS = 2000;
const STREAMS_IDLE_MS = 4000;
const NOTHING_IDLE_MS = 12_000;
/** Default code contexts are there by then, or this machine has none. */
const CONTEXTS_MS = 60_000;

/** What the daemon costs while nothing happens: with nothing to do at all, and with 200 silent programs. */
export async function benchIdle(): Promise<void> {
  await benchStreams();
  await benchNothing();
}

interface StreamCost {
  daemonBytes: number;
  /** Shim and program together. */
  programBytes: number;
  cpuPercent: number;
  wakeUpsPerSecond: number;
}

async function benchStreams(): Promise<void> {
  const costs: StreamCost[] = [];
  const bareBytes: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    costs.push(await costOfStreams());
    await using fresh = await startBare();
    bareBytes.push((await fresh.run("hold", { count: STREAMS })).bytesPerChild);
  }
  report({
    what: `idle stream: private memory of the daemon, each of ${STREAMS}`,
    unit: "kB",
    ours: median(costs.map((cost) => cost.daemonBytes / 1000)),
    bare: median(bareBytes) / 1000,
    target: { on: "ours", atMost: 60 },
    usual: "118-165 kB",
    note: `Start of \`sleep 600\` with its client connected; bare: a child_process with pipes, no client; ${SAMPLES} fresh processes each`,
  });
  report({
    what: "private memory of shim and program together",
    unit: "kB",
    ours: median(costs.map((cost) => cost.programBytes / 1000)),
  });
  report({
    what: `CPU with ${STREAMS} idle streams`,
    unit: "%",
    ours: median(costs.map((cost) => cost.cpuPercent)),
    note: `${Math.round(median(costs.map((cost) => cost.wakeUpsPerSecond)))} wake-ups per second`,
  });
}

async function costOfStreams(): Promise<StreamCost> {
  await using daemon = await startBuiltDaemon();
  using pool = new DisposableStack();
  const connections = await Promise.all(Array.from({ length: STREAMS }, () => Connection.open(daemon.port)));
  for (const connection of connections) pool.use(connection);
  await warmUp(daemon);
  await pause(SETTLE_MS);
  const before = memoryOf(daemon.pid).privateBytes;
  const streams = connections.map((connection) =>
    startProgram(connection, { process: { cmd: "sleep", args: ["600"] } }),
  );
  for (const stream of streams) stream.ended.catch(() => undefined); // the daemon's end cuts them
  await Promise.all(streams.map((stream) => stream.pid));
  await pause(SETTLE_MS);
  const after = memoryOf(daemon.pid).privateBytes;
  const programs = descendantsOf(daemon.pid).map((pid) => memoryOf(pid).privateBytes);
  return {
    daemonBytes: (after - before) / STREAMS,
    programBytes: programs.reduce((sum, bytes) => sum + bytes, 0) / STREAMS,
    ...(await idleFigures([daemon.pid], STREAMS_IDLE_MS)),
  };
}

async function warmUp(daemon: BuiltDaemon): Promise<void> {
  using connection = await Connection.open(daemon.port);
  for (let index = 0; index < WARM_UP; index += 1) {
    await startProgram(connection, { process: { cmd: "/bin/true" } }).ended;
  }
}

/** The daemon as it is started by default, its code contexts ready. */
async function benchNothing(): Promise<void> {
  await using daemon = await startBuiltDaemon({ hasKernels: true });
  const contexts = (await areContextsReady(daemon)) ? "default code contexts ready" : "no code contexts here";
  await pause(SETTLE_MS);
  const kernels = descendantsOf(daemon.pid);
  const [own, theirs] = await Promise.all([
    idleFigures([daemon.pid], NOTHING_IDLE_MS),
    idleFigures(kernels, NOTHING_IDLE_MS),
  ]);
  const note = `all threads, over ${NOTHING_IDLE_MS / 1000} s, ${contexts}`;
  const target = { on: "ours" as const };
  report({
    what: "CPU with nothing going on",
    unit: "%",
    ours: own.cpuPercent,
    target: { ...target, atMost: 0.5 },
    usual: "4.7 %",
    note: `${note}; its ${kernels.length} processes: ${theirs.cpuPercent.toFixed(2)} %`,
  });
  report({
    what: "wake-ups with nothing going on",
    unit: "per second",
    ours: own.wakeUpsPerSecond,
    target: { ...target, atMost: 10 },
    note: `voluntary context switches; its processes: ${theirs.wakeUpsPerSecond.toFixed(1)}`,
  });
}

async function areContextsReady(daemon: BuiltDaemon): Promise<boolean> {
  const deadline = performance.now() + CONTEXTS_MS;
  // The health of the interpreter's face waits for them.
  const headers = { "E2b-Sandbox-Port": "49999" };
  while (performance.now() < deadline) {
    const { status } = await fetch(`http://127.0.0.1:${daemon.port}/health`, { headers });
    if (status === 200) return true;
    await pause(100);
  }
  return false;
}
