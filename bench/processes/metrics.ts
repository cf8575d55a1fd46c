import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startBuiltDaemon } from "../lib/built-daemon.ts";
import { Connection } from "../lib/connection.ts";
import { report } from "../lib/report.ts";
import type { StartOrder } from "../lib/start-worker.ts";
import { interleave, median, quantile } from "../lib/statistics.ts";

const STARTS = 200;
const ROUNDS = 15;
/** Between two requests, if the first is answered by then. */
const EVERY_MS = 2;
const FORMATS = { json: "JSON", prometheus: "Prometheus' text" } as const;
type Format = keyof typeof FORMATS;

/** How long `/metrics` takes while 200 programs are being started at once. */
export async function benchMetrics(): Promise<void> {
  const worker = fork(join(import.meta.dirname, "..", "lib", "start-worker.ts"), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const exited = once(worker, "exit");
  try {
    await using daemon = await startBuiltDaemon();
    const ask = (format: Format) => (): Promise<number[]> => measure(worker, daemon.port, format);
    await ask("json")();
    const times = await interleave(ROUNDS, { json: ask("json"), prometheus: ask("prometheus") });
    for (const format of ["json", "prometheus"] as const) {
      const all = times[format].flat();
      report({
        what: `\`/metrics\` in ${FORMATS[format]} during ${STARTS} concurrent starts, p99`,
        unit: "ms",
        ours: quantile(all, 0.99),
        target: { on: "ours", atMost: 10 },
        note: `p50 ${median(all).toFixed(2)} ms, worst ${Math.max(...all).toFixed(1)} ms; ${all.length} requests, one every ${EVERY_MS} ms or as soon as the one before is answered, in ${ROUNDS} rounds`,
      });
    }
  } finally {
    worker.disconnect();
    await exited;
  }
}

/** Times of requests, in ms, from the first start to the end of the last program. */
async function measure(worker: ChildProcess, port: number, format: Format): Promise<number[]> {
  using connection = await Connection.open(port);
  const order: StartOrder = { port, count: STARTS };
  worker.send(order);
  await message(worker, "begin");
  const state = { isOver: false };
  const over = message(worker, "end").then(() => (state.isOver = true));
  const times: number[] = [];
  while (!state.isOver) {
    const began = performance.now();
    const { status } = await connection.request("GET", `/metrics?format=${format}`);
    times.push(performance.now() - began);
    if (status !== 200) throw new Error(`/metrics answered ${status}`);
    await pause(Math.max(0, began + EVERY_MS - performance.now()));
  }
  await over;
  return times;
}

async function message(worker: ChildProcess, expected: string): Promise<void> {
  const [text] = (await once(worker, "message")) as [string];
  if (text !== expected) throw new Error(text);
}
