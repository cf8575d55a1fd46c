import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Client, createClient } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  Process,
  type ProcessEvent,
  Signal,
  type StreamInputRequestSchema,
} from "../../src/contracts/gen/process_pb.js";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

type ProcessClient = Client<typeof Process>;
type Event = NonNullable<ProcessEvent["event"]>;

function createProcessClient(options: { useBinaryFormat: boolean; isGzip: boolean }): ProcessClient {
  const { useBinaryFormat, isGzip } = options;
  const compression = isGzip
    ? { acceptCompression: [compressionGzip], sendCompression: compressionGzip, compressMinBytes: 0 }
    : { acceptCompression: [] };
  return createClient(
    Process,
    createConnectTransport({ baseUrl: daemon.url, httpVersion: "1.1", useBinaryFormat, ...compression }),
  );
}

const shell = (script: string) => ({ cmd: "/bin/sh", args: ["-c", script] });
const byPid = (pid: number) => ({ selector: { case: "pid" as const, value: pid } });
const stdin = (text: string) => ({ input: { case: "stdin" as const, value: Buffer.from(text) } });
const byTag = (tag: string) => ({ selector: { case: "tag" as const, value: tag } });

/** Events of a stream of Start or Connect. */
async function* events(stream: AsyncIterable<{ event?: ProcessEvent | undefined }>): AsyncGenerator<Event> {
  for await (const { event } of stream) if (event) yield event.event;
}

interface Heard {
  cases: string[];
  pid: number;
  stdout: string;
  stderr: string;
  end: Extract<Event, { case: "end" }>["value"] | undefined;
}

async function hear(stream: AsyncIterable<{ event?: ProcessEvent | undefined }>): Promise<Heard> {
  const heard: Heard = { cases: [], pid: 0, stdout: "", stderr: "", end: undefined };
  for await (const event of events(stream)) {
    heard.cases.push(event.case ?? "none");
    if (event.case === "start") heard.pid = event.value.pid;
    if (event.case === "end") heard.end = event.value;
    const output = event.case === "data" ? event.value.output : undefined;
    if (output?.case === "stdout" || output?.case === "stderr")
      heard[output.case] += Buffer.from(output.value).toString("latin1");
  }
  return heard;
}

/** Starts a program and resolves with its pid; its stream is read on in the background. */
async function begin(
  client: ProcessClient,
  request: Parameters<ProcessClient["start"]>[0],
): Promise<{ pid: number; heard: Promise<Heard> }> {
  const stream = client.start(request);
  const { promise, resolve } = Promise.withResolvers<number>();
  async function* watched(): AsyncGenerator<{ event?: ProcessEvent | undefined }> {
    for await (const message of stream) {
      if (message.event?.event.case === "start") resolve(message.event.event.value.pid);
      yield message;
    }
  }
  const heard = hear(watched());
  heard.catch(() => undefined);
  return { pid: await promise, heard };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "ok";
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return `${Code[code]}: ${rawMessage}`;
  }
}

describe.each([
  { name: "JSON", useBinaryFormat: false, isGzip: false },
  { name: "JSON with gzip", useBinaryFormat: false, isGzip: true },
  { name: "protobuf", useBinaryFormat: true, isGzip: false },
  { name: "protobuf with gzip", useBinaryFormat: true, isGzip: true },
])("the official client, in $name", (options) => {
  let client: ProcessClient;
  beforeAll(() => void (client = createProcessClient(options)));

  test("starts a program: start first, its output on both streams, one end", async () => {
    const heard = await hear(
      client.start({ process: shell("printf 'out\\000\\377'; echo err >&2; exit 3"), stdin: false }),
    );
    expect([heard.cases[0], heard.cases.at(-1)]).toEqual(["start", "end"]);
    expect(heard.cases.filter((name) => name !== "data")).toEqual(["start", "end"]);
    expect([heard.pid > 1, heard.stdout, heard.stderr]).toEqual([true, "out\0\u00ff", "err\n"]);
    expect(heard.end).toMatchObject({ exitCode: 3, exited: true, status: "exit status 3", error: "exit status 3" });
  });

  test("hears of success with exit code 0 and no error", async () => {
    const { end } = await hear(client.start({ process: { cmd: "true" } }));
    expect([end?.exitCode, end?.exited, end?.status, end?.error]).toEqual([0, true, "exit status 0", undefined]);
  });

  test("gets megabytes unchanged, with the position of every piece", async () => {
    let position = 0n;
    let sum = 0;
    for await (const event of events(client.start({ process: shell("seq 1 300000") }))) {
      if (event.case !== "data" || event.value.output.case !== "stdout") continue;
      expect(event.value.offset ?? 0n).toBe(position);
      position += BigInt(event.value.output.value.length);
      for (const byte of event.value.output.value) sum += byte;
    }
    const expected = Buffer.from(Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join(""));
    expect([position, sum]).toEqual([BigInt(expected.length), expected.reduce((total, byte) => total + byte, 0)]);
  });

  test("lists what runs, with what was asked for", async () => {
    const config = { cmd: "sleep", args: ["60"], envs: { A: "1" }, cwd: "/tmp" };
    const { pid, heard } = await begin(client, { process: config, tag: `list-${options.name}` });
    const { processes } = await client.list({});
    expect(processes.find((info) => info.pid === pid)).toMatchObject({ pid, tag: `list-${options.name}`, config });
    await client.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL });
    await heard;
    await until(async () => !(await client.list({})).processes.some((info) => info.pid === pid));
  });

  test("feeds a program and ends its input", async () => {
    const { pid, heard } = await begin(client, { process: { cmd: "cat" }, stdin: true });
    for (const text of ["one ", "", "two\n"]) {
      await client.sendInput({ process: byPid(pid), input: { input: { case: "stdin", value: Buffer.from(text) } } });
    }
    await client.closeStdin({ process: byPid(pid) });
    await client.closeStdin({ process: byPid(pid) }).catch(() => undefined);
    expect(await heard).toMatchObject({ stdout: "one two\n", end: { exitCode: 0 } });
  });

  test("feeds a program through one long request", async () => {
    const { pid, heard } = await begin(client, { process: { cmd: "cat" }, stdin: true });
    async function* input(): AsyncGenerator<MessageInitShape<typeof StreamInputRequestSchema>> {
      yield { event: { case: "start", value: { process: byPid(pid) } } };
      for (const text of ["a", "b"]) {
        await Promise.resolve();
        yield { event: { case: "data", value: { input: stdin(text) } } };
        yield { event: { case: "keepalive", value: {} } };
      }
    }
    await client.streamInput(input());
    await client.closeStdin({ process: byPid(pid) });
    expect((await heard).stdout).toBe("ab");
  });

  test("connects to a program that runs, and to one that has ended", async () => {
    const { pid, heard } = await begin(client, {
      process: shell("echo early; read line; echo got $line"),
      stdin: true,
    });
    const second = hear(client.connect({ process: byPid(pid) }));
    await client.sendInput({ process: byPid(pid), input: { input: { case: "stdin", value: Buffer.from("it\n") } } });
    expect((await heard).stdout).toBe("early\ngot it\n");
    expect(await second).toMatchObject({ pid, end: { exitCode: 0, exited: true } });
    expect((await second).stdout).toMatch(/got it\n$/);
    const third = await hear(client.connect({ process: byPid(pid) }));
    expect([third.cases, third.end?.status]).toEqual([["start", "end"], "exit status 0"]);
  });

  test("signals a program and hears how it ended", async () => {
    const { pid, heard } = await begin(client, { process: { cmd: "sleep", args: ["60"] }, tag: "sleeper" });
    await client.sendSignal({ process: byTag("sleeper"), signal: Signal.SIGTERM });
    expect((await heard).end).toMatchObject({
      exitCode: -1,
      exited: false,
      status: "signal: terminated",
      error: "signal: terminated",
    });
    expect(await codeOf(client.sendSignal({ process: byPid(pid), signal: Signal.SIGTERM }))).toBe(
      `NotFound: process with pid ${pid} not found`,
    );
  });

  test("hears why an update of something without a terminal cannot be", async () => {
    const { pid, heard } = await begin(client, { process: { cmd: "sleep", args: ["60"] } });
    expect(await codeOf(client.update({ process: byPid(pid) }))).toBe("ok");
    expect(await codeOf(client.update({ process: byPid(pid), pty: { size: { cols: 80, rows: 24 } } }))).toMatch(
      /tty not assigned to process$/,
    );
    await client.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL });
    await heard;
  });

  test("gets the contract's errors", async () => {
    const unary = (process: Parameters<ProcessClient["sendSignal"]>[0]["process"]) =>
      codeOf(client.sendSignal({ ...(process && { process }), signal: Signal.SIGKILL }));
    expect(await unary(byPid(4_000_000))).toBe("NotFound: process with pid 4000000 not found");
    expect(await unary(byTag("nobody"))).toBe("NotFound: process with tag nobody not found");
    expect(await unary(undefined)).toBe("Unimplemented: invalid input type *process.ProcessSelector");
    expect(await codeOf(hear(client.connect({ process: byTag("nobody") })))).toBe(
      "NotFound: process with tag nobody not found",
    );
    expect(await codeOf(hear(client.start({ process: { cmd: "true", cwd: "/nope" } })))).toBe(
      "InvalidArgument: cwd '/nope' does not exist",
    );
    expect(await codeOf(hear(client.start({})))).toMatch(/^InvalidArgument: /);
  });

  test("sets a deadline that ends the program with everything it started", async () => {
    const stream = client.start({ process: shell("sleep 60 & echo $!; wait") }, { timeoutMs: 1200 });
    let member = 0;
    const reading = (async () => {
      for await (const event of events(stream)) {
        const output = event.case === "data" ? event.value.output : undefined;
        if (output?.case === "stdout") member = Number(Buffer.from(output.value).toString());
      }
    })();
    expect(await codeOf(reading)).toMatch(/^DeadlineExceeded: /);
    expect(member).toBeGreaterThan(0);
    await until(() => !isAlive(member));
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
