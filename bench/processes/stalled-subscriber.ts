import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { Connection } from "../lib/connection.ts";
import { cpuSeconds, memoryOf } from "../lib/process-figures.ts";
import { connectProgram, inputMessage, sendInput, startProgram } from "../lib/program-stream.ts";
import { compareReceptions, lossRow, type Reception } from "../lib/reception.ts";
import { report } from "../lib/report.ts";
import { interleave, median } from "../lib/statistics.ts";

const ROUNDS = 5;
const BYTES = 1_000_000_000;
/** Starts to write when it is told, so that both subscribers are there from the first byte on. */
const PROGRAM = { cmd: "/bin/sh", args: ["-c", `read go; exec head -c ${BYTES} /dev/zero`] };

interface Growth extends Reception {
  /** How much the daemon's memory grew meanwhile. */
  grownBytes: number;
}

/** Whether a subscriber that stops reading at TCP level slows down another one. */
export async function benchStalledSubscriber(): Promise<void> {
  await using daemon = await startBuiltDaemon();
  await receive(daemon, false);
  const sides = await interleave(ROUNDS, {
    stalled: () => receive(daemon, true),
    alone: () => receive(daemon, false),
  });
  const compared = compareReceptions(sides.stalled, sides.alone);
  report({
    what: "stdout, 1 GB as JSON frames beside a subscriber that stopped reading",
    unit: "MB/s",
    ...compared,
    target: { on: "ratio", atLeast: 0.9 },
    note: `"bare" is the same daemon without the stalled subscriber; ${compared.note}`,
  });
  report({
    what: "resident memory the daemon gains during it",
    unit: "MB",
    ours: median(sides.stalled.map((run) => run.grownBytes / 1e6)),
    bare: median(sides.alone.map((run) => run.grownBytes / 1e6)),
  });
  report(lossRow([...sides.stalled, ...sides.alone]));
}

async function receive(daemon: BuiltDaemon, hasStalled: boolean): Promise<Growth> {
  using connection = await Connection.open(daemon.port);
  using inputs = await Connection.open(daemon.port);
  const stream = startProgram(connection, { process: PROGRAM });
  const pid = await stream.pid;
  using _stalled = hasStalled ? await stallOn(daemon, pid) : undefined;
  const before = memoryOf(daemon.pid).rssBytes;
  const cpuBefore = cpuSeconds(daemon.pid);
  const began = performance.now();
  await sendInput(inputs, inputMessage(pid, "stdin", Buffer.from("go\n")));
  const { dataBytes } = await stream.ended;
  const seconds = (performance.now() - began) / 1000;
  return {
    megabytesPerSecond: dataBytes / 1e6 / seconds,
    cpuSecondsPerGigabyte: (cpuSeconds(daemon.pid) - cpuBefore) / (dataBytes / 1e9),
    grownBytes: memoryOf(daemon.pid).rssBytes - before,
    hasLost: dataBytes !== BYTES,
  };
}

/** A subscriber that has the start event and then reads no more. */
async function stallOn(daemon: BuiltDaemon, pid: number): Promise<Connection> {
  const connection = await Connection.open(daemon.port);
  const stream = connectProgram(connection, pid);
  stream.ended.catch(() => undefined); // it is cut at the end
  await stream.pid;
  connection.stall();
  return connection;
}
