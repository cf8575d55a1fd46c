import type { BareProcess } from "../lib/bare.ts";
import { startBare } from "../lib/bare.ts";
import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { Connection } from "../lib/connection.ts";
import {
  inputMessage,
  type ProgramStream,
  sendInput,
  startProgram,
  type StreamOptions,
} from "../lib/program-stream.ts";
import { NextEvent } from "../lib/next-event.ts";
import { report, type Row } from "../lib/report.ts";
import { interleave, median, pairedRatio, quantile } from "../lib/statistics.ts";
import { ECHO_PROGRAM, TERMINAL_SIZE, textProgram } from "../lib/terminal-programs.ts";

const ECHO_ROUNDS = 7;
const KEYS_PER_ROUND = 300;
const RATE_ROUNDS = 5;
const TEXT_BYTES = 100_000_000;
const SIGKILL = 9;

const ECHO: Omit<Row, "ours"> = {
  what: "terminal, echo of a key, p50",
  unit: "ms",
  target: { on: "ours", atMost: 0.5 },
  usual: "0.25 ms",
};
const RATE: Omit<Row, "ours"> = {
  what: "terminal, 100 MB of text",
  unit: "MB/s",
  target: { on: "ratio", atLeast: 0.8 },
  usual: "27 MB/s",
};

/** Terminals through Process/Start against node-pty in a process of its own. */
export async function benchTerminals(): Promise<void> {
  await using daemon = await startBuiltDaemon();
  const unavailable = await whyUnavailable(daemon);
  if (unavailable !== undefined) {
    for (const row of [ECHO, RATE]) report({ ...row, ours: undefined, note: `skipped: ${unavailable}` });
    return;
  }
  await using bare = await startBare();
  await benchEcho(daemon, bare);
  await benchThroughput(daemon, bare);
}

async function benchEcho(daemon: BuiltDaemon, bare: BareProcess): Promise<void> {
  await using serving = await startBare();
  const server = await serving.run("http", undefined);
  const sides = await interleave<"ours" | "bare" | "http", number[]>(ECHO_ROUNDS, {
    ours: () => timeEchoes(daemon, KEYS_PER_ROUND),
    http: () => timeEchoes(server, KEYS_PER_ROUND),
    bare: () => bare.run("terminalEcho", { count: KEYS_PER_ROUND }),
  });
  report({
    ...ECHO,
    ours: median(sides.ours.map(median)),
    bare: median(sides.bare.map(median)),
    note: `from SendInput to the data event, its answer not awaited first; ${ECHO_ROUNDS} rounds of ${KEYS_PER_ROUND} keys`,
  });
  report({
    what: "the same, p99",
    unit: "ms",
    ours: quantile(sides.ours.flat(), 0.99),
    bare: quantile(sides.bare.flat(), 0.99),
  });
  const [ours, http] = [sides.ours.map(median), sides.http.map(median)];
  report({
    what: "terminal, echo of a key, p50, against bare HTTP",
    unit: "ms",
    ours: median(ours),
    bare: median(http),
    ratio: pairedRatio(ours, http),
    note: "bare: node:http in a process of its own that writes to node-pty's terminal what it is sent, and sends what that prints",
  });
}

async function benchThroughput(daemon: BuiltDaemon, bare: BareProcess): Promise<void> {
  const command = textProgram(TEXT_BYTES);
  const sides = await interleave<"ours" | "bare", number>(RATE_ROUNDS, {
    async ours() {
      using connection = await Connection.open(daemon.port);
      const began = performance.now();
      const { dataBytes, error } = await startInTerminal(connection, command).ended;
      if (dataBytes < TEXT_BYTES) throw new Error(`${dataBytes} of ${TEXT_BYTES} bytes came: ${error}`);
      return dataBytes / 1e3 / (performance.now() - began);
    },
    async bare() {
      const { bytes, seconds } = await bare.run("terminalDrain", { command });
      if (bytes < TEXT_BYTES) throw new Error(`bare: ${bytes} of ${TEXT_BYTES} bytes came`);
      return bytes / 1e6 / seconds;
    },
  });
  report({
    ...RATE,
    ours: median(sides.ours),
    bare: median(sides.bare),
    ratio: pairedRatio(sides.ours, sides.bare),
    note: `bytes as the terminal delivers them, as JSON frames; ${RATE_ROUNDS} rounds`,
  });
}

/** What Start answers when there are no terminals; undefined when there are. */
async function whyUnavailable(daemon: BuiltDaemon): Promise<string | undefined> {
  using connection = await Connection.open(daemon.port);
  const { exitCode, error } = await startInTerminal(connection, ["/bin/sh", "-c", "test -t 1"]).ended;
  return error ?? (exitCode === 0 ? undefined : "Start with `pty` gives the program no terminal");
}

async function timeEchoes({ port }: Pick<BuiltDaemon, "port">, count: number): Promise<number[]> {
  using output = await Connection.open(port);
  using keys = await Connection.open(port);
  const data = new NextEvent();
  const ready = data.next();
  const stream = startInTerminal(output, ECHO_PROGRAM, { onData: () => data.happened() });
  const pid = await stream.pid;
  await ready;
  const key = inputMessage(pid, "pty", Buffer.from("a"));
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const echoed = data.next();
    const began = performance.now();
    const sent = sendInput(keys, key);
    await echoed;
    times.push(performance.now() - began);
    await sent;
  }
  const kill = { process: { pid }, signal: SIGKILL };
  await keys.call("/process.Process/SendSignal", Buffer.from(JSON.stringify(kill)));
  await stream.ended;
  return times;
}

function startInTerminal(connection: Connection, command: readonly string[], options?: StreamOptions): ProgramStream {
  const [cmd = "", ...args] = command;
  return startProgram(connection, { process: { cmd, args }, pty: { size: TERMINAL_SIZE } }, options);
}
