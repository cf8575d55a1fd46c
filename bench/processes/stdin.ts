import { startBare } from "../lib/bare.ts";
import type { Transfer } from "../lib/bare-tasks.ts";
import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { type Codec, Connection } from "../lib/connection.ts";
import { cpuSeconds } from "../lib/process-figures.ts";
import { closeStdin, inputMessage, sendInput, startProgram } from "../lib/program-stream.ts";
import { report } from "../lib/report.ts";
import { interleave, median, pairedRatio } from "../lib/statistics.ts";

const ROUNDS = 5;
const MESSAGE_BYTES = 4 * 1024 * 1024;
const MESSAGES = 96;
const READER = ["sh", "-c", "exec cat >/dev/null"] as const;

/** Input of one program, one SendInput after the other. */
export async function benchStdin(): Promise<void> {
  await using daemon = await startBuiltDaemon();
  await using bare = await startBare();
  const sides = await interleave<"json" | "bare" | "proto", Transfer>(ROUNDS, {
    json: () => send(daemon, "json"),
    bare: () => bare.run("feed", { command: [...READER], messageBytes: MESSAGE_BYTES, messages: MESSAGES }),
    proto: () => send(daemon, "proto"),
  });
  const bareRates = sides.bare.map(megabytesPerSecond);
  for (const codec of ["json", "proto"] as const) {
    const rates = sides[codec].map(megabytesPerSecond);
    const cpu = median(sides[codec].map((transfer) => transfer.cpuSeconds / (transfer.bytes / 1e9)));
    report({
      what: `stdin, SendInput of 4 MiB as ${codec === "json" ? "JSON" : "protobuf"}`,
      unit: "MB/s",
      ours: median(rates),
      bare: median(bareRates),
      ratio: pairedRatio(rates, bareRates),
      target: { on: "ours", atLeast: 300 },
      usual: codec === "json" ? "74 MB/s" : "",
      note: `${cpu.toFixed(2)} CPU s/GB; bare: the same pieces written to a pipe2 with net.Socket; ${ROUNDS} rounds`,
    });
  }
}

async function send(daemon: BuiltDaemon, codec: Codec): Promise<Transfer> {
  using connection = await Connection.open(daemon.port);
  using inputs = await Connection.open(daemon.port);
  const [cmd, ...args] = READER;
  const stream = startProgram(connection, { process: { cmd, args: [...args] } }, { codec });
  const pid = await stream.pid;
  const message = inputMessage(pid, "stdin", Buffer.alloc(MESSAGE_BYTES, "x"), codec);
  const cpuBefore = cpuSeconds(daemon.pid);
  const began = performance.now();
  for (let index = 0; index < MESSAGES; index += 1) await sendInput(inputs, message, codec);
  const seconds = (performance.now() - began) / 1000;
  const used = cpuSeconds(daemon.pid) - cpuBefore;
  await closeStdin(inputs, pid);
  const { exitCode, error } = await stream.ended;
  if (exitCode !== 0) throw new Error(`the reader ended with ${exitCode}: ${error}`);
  return { bytes: MESSAGES * MESSAGE_BYTES, seconds, cpuSeconds: used };
}

function megabytesPerSecond({ bytes, seconds }: Transfer): number {
  return bytes / 1e6 / seconds;
}
