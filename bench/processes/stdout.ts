import { type BareProcess, startBare } from "../lib/bare.ts";
import type { Transfer } from "../lib/bare-tasks.ts";
import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { type Codec, Connection } from "../lib/connection.ts";
import { cpuSeconds } from "../lib/process-figures.ts";
import { startProgram } from "../lib/program-stream.ts";
import { compareReceptions, cpuOf, lossRow, type Reception } from "../lib/reception.ts";
import { report } from "../lib/report.ts";
import { interleave } from "../lib/statistics.ts";

const ROUNDS = 5;
interface Writer {
  name: string;
  command: readonly [string, ...string[]];
  bytes: number;
}

/** One that makes its output, as programs do, and the fastest there is, which makes none: the pipe is all that limits it. */
const WRITERS: readonly Writer[] = [
  { name: "numbered lines (`seq`)", command: ["seq", "1", "112222222"], bytes: 1_011_111_118 },
  { name: "zeros (`head -c`)", command: ["head", "-c", "1000000000", "/dev/zero"], bytes: 1_000_000_000 },
];

/** One program's output to one client, with log and spill as they are by default. */
export async function benchStdout(): Promise<void> {
  for (const writer of WRITERS) await benchWriter(writer);
}

async function benchWriter(writer: Writer): Promise<void> {
  await using daemon = await startBuiltDaemon();
  await using bare = await startBare();
  // A daemon is a long-lived process: its code is compiled when it counts.
  for (const codec of ["json", "proto"] as const) await receive(daemon, writer, codec);
  await using serving = await startBare();
  const server = await serving.run("http", undefined);
  await receive(server, writer, "json");
  const sides = await interleave<"json" | "bare" | "proto" | "http", Reception>(ROUNDS, {
    json: () => receive(daemon, writer, "json"),
    http: () => receive(server, writer, "json"),
    bare: () => drain(bare, writer),
    proto: () => receive(daemon, writer, "proto"),
  });
  for (const codec of ["json", "proto"] as const) {
    const name = codec === "json" ? "JSON" : "protobuf";
    const compared = compareReceptions(sides[codec], sides.bare);
    report({
      what: `stdout, 1 GB of ${writer.name} as ${name} frames`,
      unit: "MB/s",
      ...compared,
      ...(codec === "json" && { target: { on: "ratio", atLeast: 0.5 }, usual: "125 MB/s" }),
      note: `bare: pipe2 and net.Socket with onread; ${compared.note}`,
    });
    report({
      what: `CPU of the daemon for it, ${name}`,
      unit: "s/GB",
      ours: cpuOf(sides[codec]),
      bare: cpuOf(sides.bare),
      ...(codec === "json" && { target: { on: "ours", atMost: 1.5 }, usual: "6.7 s/GB" }),
    });
  }
  report({
    what: `stdout, 1 GB of ${writer.name} as JSON frames, against bare HTTP`,
    unit: "MB/s",
    ...compareReceptions(sides.json, sides.http),
    note: "bare: node:http in a process of its own that sends what a pipe brings to the same client, without log or replay",
  });
  report({
    what: "CPU of the daemon for it, JSON, against bare HTTP",
    unit: "s/GB",
    ours: cpuOf(sides.json),
    bare: cpuOf(sides.http),
    target: { on: "ratio", atMost: 1.3 },
  });
  report(lossRow([...sides.json, ...sides.proto]));
}

async function receive(daemon: Pick<BuiltDaemon, "port" | "pid">, writer: Writer, codec: Codec): Promise<Reception> {
  using connection = await Connection.open(daemon.port);
  const [cmd, ...args] = writer.command;
  const cpuBefore = cpuSeconds(daemon.pid);
  const began = performance.now();
  const { dataBytes } = await startProgram(connection, { process: { cmd, args } }, { codec }).ended;
  const seconds = (performance.now() - began) / 1000;
  const used = cpuSeconds(daemon.pid) - cpuBefore;
  return reception(writer, { bytes: dataBytes, seconds, cpuSeconds: used });
}

async function drain(bare: BareProcess, writer: Writer): Promise<Reception> {
  return reception(writer, await bare.run("drain", { command: [...writer.command] }));
}

function reception(writer: Writer, transfer: Transfer): Reception {
  const gigabytes = transfer.bytes / 1e9;
  return {
    megabytesPerSecond: (gigabytes * 1000) / transfer.seconds,
    cpuSecondsPerGigabyte: transfer.cpuSeconds / gigabytes,
    hasLost: transfer.bytes !== writer.bytes,
  };
}
