import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRunning, processState } from "../../src/host/process-tree.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import {
  endError,
  envelope,
  eventOf,
  framesOf,
  JSON_STREAM,
  JSON_UNARY,
  outputOf,
  send,
  shell,
  type StreamEvent,
  type WireReply,
  WireStream,
} from "../unit/edge/connect/wire-client.ts";

/** Where the streams of a reply begin when nothing was sent before. */
const NO_OFFSETS = { stdout: "0", stderr: "0", pty: "0" };

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

const START = "/process.Process/Start";
const CONNECT = "/process.Process/Connect";

function call(method: string, message: unknown, headers: Record<string, string> = {}): Promise<WireReply> {
  const path = `/process.Process/${method}`;
  return send(daemon.url, { path, headers: { ...JSON_UNARY, ...headers }, body: JSON.stringify(message) });
}

/** All events of a stream that is read to its end. */
async function run(path: string, message: unknown, headers: Record<string, string> = {}): Promise<StreamEvent[]> {
  const { body } = await send(daemon.url, { path, headers: { ...JSON_STREAM, ...headers }, body: envelope(message) });
  return framesOf(body).map(eventOf);
}

interface Live {
  pid: number;
  stream: WireStream;
  process: { pid: number };
}

/** Starts a program and waits for its start event. */
async function begin(message: unknown, headers: Record<string, string> = {}): Promise<Live> {
  const stream = await WireStream.open(daemon.url, START, message, headers);
  const [first] = await stream.until(() => true);
  const pid = first?.start?.pid ?? 0;
  return { pid, stream, process: { pid } };
}

const kill = (pid: number): Promise<WireReply> => call("SendSignal", { process: { pid }, signal: "SIGNAL_SIGKILL" });
const endOf = (events: readonly StreamEvent[]): StreamEvent["end"] => events.find(({ end }) => end)?.end;
const isKeepalive = (event: StreamEvent): boolean => event.keepalive !== undefined;
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("keepalives", () => {
  const WAITS = shell("read go; echo end", { stdin: true });
  const open = (wish: string): Promise<Live> => begin(WAITS, { "Keepalive-Ping-Interval": wish });

  test("come as often as the client wishes, at most every second, and by default not for a long time", async () => {
    const seldom = await Promise.all(["abc", "1.5", "", "3600000000"].map(open));
    const beganAt = performance.now();
    const often = await Promise.all(["1", "0", "-5", "-99999999999999999999"].map(open));
    const { process, stream } = await begin(WAITS);
    const connected = await WireStream.open(daemon.url, CONNECT, { process }, { "Keepalive-Ping-Interval": "1" });
    const silences = [...often.map((live) => live.stream), connected].map(async (reader) => {
      const events = await reader.until(isKeepalive);
      return [events.map((event) => Object.keys(event)[0]).at(-1), performance.now() - beganAt >= 999];
    });
    expect(await Promise.all(silences)).toEqual(silences.map(() => ["keepalive", true]));
    for (const live of [...seldom, ...often, { process }]) {
      await call("SendInput", { process: live.process, input: { stdin: base64("\n") } });
    }
    for (const live of [...seldom, { stream }]) {
      const events = await live.stream.until(() => false);
      expect([events.filter(isKeepalive), endOf(events)?.exitCode]).toEqual([[], 0]);
    }
    for (const live of often) expect(endOf(await live.stream.until(() => false))?.exitCode).toBe(0);
    expect(endOf(await connected.until(() => false))?.exitCode).toBe(0);
  });
});

describe("a deadline", () => {
  test("kills the whole group and ends the stream; whoever connects later hears how it ended", async () => {
    const { pid, stream } = await begin(shell("sleep 60 & echo $!; wait"), { "Connect-Timeout-Ms": "1200" });
    const events = await stream.until(() => false);
    expect(events.at(-1)).toEqual({ close: { code: "deadline_exceeded", message: "context deadline exceeded" } });
    expect(endOf(events)).toBeUndefined();
    const member = Number(outputOf(events));
    await until(() => !isRunning(pid) && !isRunning(member));
    const later = await run(CONNECT, { process: { pid } });
    expect(endOf(later)).toMatchObject({ exitCode: -1, exited: false, status: "signal: killed" });
  });

  test("kills also when the client is long gone", async () => {
    const { pid, stream } = await begin(shell("sleep 60"), { "Connect-Timeout-Ms": "300" });
    stream.destroy();
    await until(() => !isRunning(pid));
  });

  test.each(["0", "-1"])("of %s starts nothing", async (timeout) => {
    const marker = `/tmp/guestd-test-${process.pid}-${timeout}`;
    const { body } = await send(daemon.url, {
      path: START,
      headers: { ...JSON_STREAM, "Connect-Timeout-Ms": timeout },
      body: envelope(shell(`touch ${marker}`)),
    });
    expect(endError(framesOf(body))).toEqual({ code: "deadline_exceeded", message: "context deadline exceeded" });
    expect((await call("List", {})).text).toBe("{}");
    expect(existsSync(marker)).toBe(false);
  });

  test("of Connect ends that stream only", async () => {
    const { pid } = await begin(shell("sleep 60"));
    const events = await run(CONNECT, { process: { pid } }, { "Connect-Timeout-Ms": "1000" });
    expect(events).toEqual([
      { start: { pid, offsets: NO_OFFSETS } },
      { close: { code: "deadline_exceeded", message: "context deadline exceeded" } },
    ]);
    expect(isRunning(pid)).toBe(true);
    await kill(pid);
  });

  test("of a unary call that waits for the program ends that call", async () => {
    const { pid, process } = await begin(shell("sleep 60", { stdin: true }));
    const input = { process, input: { stdin: "A".repeat(4_000_000) } };
    const began = performance.now();
    const reply = await Promise.race([
      call("SendInput", input, { "Connect-Timeout-Ms": "300" }),
      until(() => false, 20_000).catch(() => undefined),
    ]);
    await kill(pid);
    expect(reply?.status).toBe(504);
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  test("of an input stream that waits for the program ends it", async () => {
    const { pid, process } = await begin(shell("sleep 60", { stdin: true }));
    const messages = [{ start: { process } }, { data: { input: { stdin: "A".repeat(4_000_000) } } }];
    const body = Buffer.concat(messages.map((message) => envelope(message)));
    const headers = { ...JSON_STREAM, "Connect-Timeout-Ms": "300" };
    const reply = await Promise.race([
      send(daemon.url, { path: "/process.Process/StreamInput", headers, body }),
      until(() => false, 20_000).catch(() => undefined),
    ]);
    await kill(pid);
    expect(reply && endError(framesOf(reply.body))).toEqual({
      code: "deadline_exceeded",
      message: "context deadline exceeded",
    });
  });
});

describe("a client that goes away", () => {
  test("leaves the program running; what nobody has received is delivered to whoever connects", async () => {
    const { pid, process, stream } = await begin(
      shell("read go; echo while alone; read go; echo after; exit 4", { stdin: true }),
    );
    stream.destroy();
    await call("SendInput", { process, input: { stdin: base64("\n") } });
    const again = await WireStream.open(daemon.url, CONNECT, { process: { pid } });
    const first = await again.until((event) => outputOf([event]).includes("alone"));
    expect(first[0]).toEqual({ start: { pid, offsets: NO_OFFSETS } });
    await call("SendInput", { process, input: { stdin: base64("\n") } });
    const rest = await again.until(() => false);
    expect([outputOf(rest), endOf(rest)?.exitCode, rest.at(-1)]).toEqual(["after\n", 4, { close: "ok" }]);
  });

  test("misses nothing of a program that ended meanwhile", async () => {
    const { pid, stream } = await begin(shell("sleep 0.2; echo missed; echo this too >&2; exit 2"));
    stream.destroy();
    await until(() => processState(pid) === undefined);
    const events = await run(CONNECT, { process: { pid } });
    expect([outputOf(events), outputOf(events, "stderr"), endOf(events)?.exitCode]).toEqual([
      "missed\n",
      "this too\n",
      2,
    ]);
    expect((await run(CONNECT, { process: { pid } })).map((event) => Object.keys(event)[0])).toEqual([
      "start",
      "end",
      "close",
    ]);
  });

  test("for so long that the oldest output is gone gets what is left, and the end", async () => {
    await using small = await startTestDaemon({ argv: ["--run-memory-bytes", "65536", "--run-disk-bytes", "65536"] });
    const live = await WireStream.open(
      small.url,
      START,
      shell("sleep 0.1; head -c 1000000 /dev/zero; echo last; exit 5"),
    );
    const [first] = await live.until(() => true);
    const pid = first?.start?.pid ?? 0;
    live.destroy();
    await until(() => processState(pid) === undefined);
    const stream = await WireStream.open(small.url, CONNECT, { process: { pid } });
    const events = await stream.until(() => false);
    expect([events[0], endOf(events)?.exitCode, events.at(-1)]).toMatchObject([
      { start: { pid, offsets: { stderr: "0", pty: "0" } } },
      5,
      { close: "ok" },
    ]);
    const offset = Number(events[0]?.start?.offsets?.stdout);
    expect([offset > 0, offset + outputOf(events).length]).toEqual([true, 1_000_005]);
    expect(outputOf(events)).toMatch(/last\n$/);
  });

  test("can ask for any part of the output again by its offsets", async () => {
    const { pid, stream } = await begin(shell("printf 0123456789; printf abcdef >&2"));
    await stream.until(() => false);
    const events = await run(CONNECT, { process: { pid }, resumeFrom: { stdout: "4", stderr: "2" } });
    expect([outputOf(events), outputOf(events, "stderr")]).toEqual(["456789", "cdef"]);
    expect(events.find(({ data }) => data?.stdout)?.data?.offset).toBe("4");
    expect((await run(CONNECT, { process: { pid }, resumeFrom: { stdout: "11" } })).at(-1)).toMatchObject({
      close: { code: "invalid_argument" },
    });
  });
});

/** Reads a stream to its end event and counts what the program printed. */
async function countOutput(reader: WireStream): Promise<number> {
  let heard = 0;
  await reader.until(({ data, end }) => {
    heard += Buffer.byteLength(data?.stdout ?? "", "base64");
    return end !== undefined;
  });
  return heard;
}

describe("several subscribers", () => {
  test("each get everything, and one that does not read holds up nobody", async () => {
    const { pid, process, stream } = await begin(
      shell("read go; head -c 30000000 /dev/zero; echo done >&2", { stdin: true }),
    );
    const stalled = await WireStream.open(daemon.url, CONNECT, { process: { pid } });
    stalled.response.pause();
    const other = await WireStream.open(daemon.url, CONNECT, { process: { pid } });
    await call("SendInput", { process, input: { stdin: base64("\n") } });
    const [one, two] = await Promise.all([countOutput(stream), countOutput(other)]);
    expect([one, two, await countOutput(stalled)]).toEqual([30_000_000, 30_000_000, 30_000_000]);
  });
});

describe("SIGKILL", () => {
  test("has the process gone, not even a zombie, when the answer is there", async () => {
    for (let round = 0; round < 10; round += 1) {
      const { pid, stream } = await begin(shell("trap '' TERM; sleep 60; sleep 60"));
      const reply = await kill(pid);
      expect([reply.status, reply.text, processState(pid)]).toEqual([200, "{}", undefined]);
      const events = await stream.until(() => false);
      expect(endOf(events)).toEqual({ exitCode: -1, exited: false, status: "signal: killed", error: "signal: killed" });
    }
  });

  test("reaches the group; what left it lives on unless descendants are asked for", async () => {
    const script = `setsid sleep 62 >/dev/null 2>&1 & escaped=$!
      until [ "$(cut -d' ' -f5 /proc/$escaped/stat)" = $escaped ]; do :; done; echo $escaped; wait`;
    for (const descendants of [false, true]) {
      const { pid, stream } = await begin(shell(script));
      const escaped = Number(outputOf(await stream.until((event) => outputOf([event]) !== "")));
      await call("SendSignal", { process: { pid }, signal: "SIGNAL_SIGKILL", descendants });
      expect([processState(pid), isRunning(escaped)]).toEqual([undefined, !descendants]);
    }
  });

  test("for SIGTERM the program's last words are heard", async () => {
    const { pid, stream } = await begin(shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done"));
    await stream.until((event) => outputOf([event]) === "up\n");
    await call("SendSignal", { process: { pid }, signal: "SIGNAL_SIGTERM" });
    const events = await stream.until(() => false);
    expect([outputOf(events), endOf(events)?.exitCode]).toEqual(["bye\n", 7]);
  });

  test("of another number is unimplemented", async () => {
    const { pid } = await begin(shell("sleep 60"));
    for (const [signal, name] of [
      ["SIGNAL_UNSPECIFIED", "SIGNAL_UNSPECIFIED"],
      [undefined, "SIGNAL_UNSPECIFIED"],
      [2, "2"],
    ]) {
      const { status, text } = await call("SendSignal", { process: { pid }, signal });
      expect([status, JSON.parse(text)]).toEqual([501, { code: "unimplemented", message: `invalid signal: ${name}` }]);
    }
    await kill(pid);
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
