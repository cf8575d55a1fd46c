import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startBare } from "../lib/bare.ts";
import { Connection } from "../lib/connection.ts";
import type { LoopFigures } from "../lib/loop-worker.ts";
import { startProgram } from "../lib/program-stream.ts";
import { report } from "../lib/report.ts";
import { interleave, median, quantile } from "../lib/statistics.ts";

const ROUNDS = 7;
const STARTS_PER_ROUND = 60;
/** Between starts, so that one start's work is not counted to the next. */
const PAUSE_MS = 3;

/** How long one start keeps the daemon's event loop from everybody else. */
export async function benchLoop(): Promise<void> {
  const worker = fork(join(import.meta.dirname, "..", "lib", "loop-worker.ts"), {
    stdio: ["ignore", "inherit", "ignore", "ipc"],
  });
  const exited = once(worker, "exit");
  try {
    const [port] = (await once(worker, "message")) as [number];
    await measure(worker, port);
  } finally {
    worker.disconnect();
    await exited;
  }
}

async function measure(worker: ChildProcess, port: number): Promise<void> {
  await using bare = await startBare();
  using connection = await Connection.open(port);
  await startSome(connection, STARTS_PER_ROUND);
  await bare.run("spawnTimes", { count: STARTS_PER_ROUND });
  const rounds = await interleave<"ours" | "bare", LoopFigures>(ROUNDS, {
    async ours() {
      await figures(worker);
      await startSome(connection, STARTS_PER_ROUND);
      return figures(worker);
    },
    bare: async () => ({ ...(await bare.run("spawnTimes", { count: STARTS_PER_ROUND })), activeMs: 0 }),
  });
  const blocked = { ours: rounds.ours.flatMap((r) => r.blockedMs), bare: rounds.bare.flatMap((r) => r.blockedMs) };
  report({
    what: "event loop blocked per start, p50",
    unit: "ms",
    ours: median(blocked.ours),
    bare: median(blocked.bare),
    target: { on: "ours", atMost: 0.5 },
    note: "the synchronous part of `Launcher.start` in a daemon of the sources; bare: the call of child_process.spawn",
  });
  report({
    what: "the same, p99",
    unit: "ms",
    ours: quantile(blocked.ours, 0.99),
    bare: quantile(blocked.bare, 0.99),
  });
  report({
    what: "event loop active per start, all turns together",
    unit: "ms",
    ours: median(rounds.ours.map((round) => round.activeMs / STARTS_PER_ROUND)),
    note: "`eventLoopUtilization` from request to end: HTTP, spawn, pipes, log, answer",
  });
}

async function startSome(connection: Connection, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await startProgram(connection, { process: { cmd: "/bin/true" } }).ended;
    await pause(PAUSE_MS);
  }
}

async function figures(worker: ChildProcess): Promise<LoopFigures> {
  worker.send("figures");
  const [result] = (await once(worker, "message")) as [LoopFigures];
  return result;
}
