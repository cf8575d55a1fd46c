import type { BareProcess } from "../lib/bare.ts";
import { startBare } from "../lib/bare.ts";
import { startBuiltDaemon } from "../lib/built-daemon.ts";
import { Connection } from "../lib/connection.ts";
import { startProgram } from "../lib/program-stream.ts";
import { report } from "../lib/report.ts";
import { interleave, median, pairedRatio, quantile } from "../lib/statistics.ts";

const ROUNDS = 11;
const STARTS_PER_ROUND = 60;
const RATE_ROUNDS = 9;
const RATE_STARTS = 200;
const CONCURRENCY = 32;
const TRUE = { process: { cmd: "/bin/true" } };

/** `/bin/true` through the API, one after the other and many at a time, against `child_process`. */
export async function benchStarts(): Promise<void> {
  await using daemon = await startBuiltDaemon();
  await using bare = await startBare();
  using pool = new DisposableStack();
  const connections = await Promise.all(Array.from({ length: CONCURRENCY }, () => Connection.open(daemon.port)));
  for (const connection of connections) pool.use(connection);
  const [first] = connections;
  if (!first) return;
  await timeStarts(first, 2 * STARTS_PER_ROUND);
  await bare.run("spawnTimes", { count: 2 * STARTS_PER_ROUND });
  await benchLatency(first, bare);
  await benchRate(connections, bare);
}

async function benchLatency(connection: Connection, bare: BareProcess): Promise<void> {
  const { ours, theirs } = await interleave<"ours" | "theirs", number[]>(ROUNDS, {
    ours: () => timeStarts(connection, STARTS_PER_ROUND),
    theirs: async () => (await bare.run("spawnTimes", { count: STARTS_PER_ROUND })).waitMs,
  });
  const [oursP50, bareP50] = [ours.map(median), theirs.map(median)];
  report({
    what: "`/bin/true` through Process/Start, p50, until the answer is complete",
    unit: "ms",
    ours: median(oursP50),
    bare: median(bareP50),
    ratio: pairedRatio(oursP50, bareP50),
    target: { on: "ratio", atMost: 1 },
    usual: "5.4 ms",
    note: `bare: child_process.spawn until close; ${ROUNDS} rounds of ${STARTS_PER_ROUND} on one connection`,
  });
  report({
    what: "the same, p99",
    unit: "ms",
    ours: quantile(ours.flat(), 0.99),
    bare: quantile(theirs.flat(), 0.99),
  });
}

async function benchRate(connections: readonly Connection[], bare: BareProcess): Promise<void> {
  const rates = await interleave(RATE_ROUNDS, {
    ours: () => rateOfStarts(connections, RATE_STARTS),
    bare: () => bare.run("spawnRate", { count: RATE_STARTS, concurrency: CONCURRENCY }),
  });
  report({
    what: `${RATE_STARTS} × \`/bin/true\`, ${CONCURRENCY} at a time`,
    unit: "per second",
    ours: median(rates.ours),
    bare: median(rates.bare),
    ratio: pairedRatio(rates.ours, rates.bare),
    target: { on: "ratio", atLeast: 1 },
    note: `${RATE_ROUNDS} rounds`,
  });
}

/** Times of `count` starts, one after the other, in ms. */
async function timeStarts(connection: Connection, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const began = performance.now();
    await runTrue(connection);
    times.push(performance.now() - began);
  }
  return times;
}

async function rateOfStarts(connections: readonly Connection[], count: number): Promise<number> {
  let left = count;
  const began = performance.now();
  const lane = async (connection: Connection): Promise<void> => {
    while (left-- > 0) await runTrue(connection);
  };
  await Promise.all(connections.map(lane));
  return count / ((performance.now() - began) / 1000);
}

async function runTrue(connection: Connection): Promise<void> {
  const { exitCode, error } = await startProgram(connection, TRUE).ended;
  if (exitCode !== 0) throw new Error(`/bin/true ended with ${exitCode}: ${error}`);
}
