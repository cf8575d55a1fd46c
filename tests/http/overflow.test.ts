import { expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { WireStream } from "../unit/edge/connect/wire-client.ts";
import { PtySocket } from "./pty-socket.ts";

const SMALL = ["--run-memory-bytes", "65536", "--run-disk-bytes", "65536"];
const LINES = 1_000_000;
const HEADERS = { "Content-Type": "application/json" };

interface RunAnswer {
  id: string;
  ending: string | null;
  log: { stdout?: { oldest: number; end: number } };
}

async function start(daemon: TestDaemon, more: object): Promise<string> {
  const body = JSON.stringify({ cmd: "seq", args: [String(LINES)], background: true, ...more });
  const reply = await daemon.fetch("/v1/run", { method: "POST", headers: HEADERS, body });
  return ((await reply.json()) as RunAnswer).id;
}

async function look(daemon: TestDaemon, id: string): Promise<RunAnswer> {
  return (await (await daemon.fetch(`/v1/runs/${id}`)).json()) as RunAnswer;
}

test("a program whose output is to be waited for ends when somebody has received it, and nothing is lost", async () => {
  await using daemon = await startTestDaemon({ argv: SMALL });
  const id = await start(daemon, { overflow: "wait" });
  const wait = await daemon.fetch(`/v1/runs/${id}/wait?timeoutMs=300`);
  expect([wait.status, ((await wait.json()) as RunAnswer).log.stdout?.oldest]).toEqual([202, 0]);
  const text = await (await daemon.fetch(`/v1/runs/${id}/log?stream=stdout&follow=1`)).text();
  expect(text).toBe(Array.from({ length: LINES }, (_, index) => `${index + 1}\n`).join(""));
  expect(await look(daemon, id)).toMatchObject({ ending: "exited" });
});

test("what a setting asks for holds for every program, but one answer at the end waits for nobody", async () => {
  await using daemon = await startTestDaemon({ argv: [...SMALL, "--log-overflow", "wait"] });
  const id = await start(daemon, {});
  expect((await daemon.fetch(`/v1/runs/${id}/wait?timeoutMs=300`)).status).toBe(202);
  await daemon.fetch(`/v1/runs/${id}`, { method: "DELETE" });
  const body = JSON.stringify({ cmd: "seq", args: [String(LINES)] });
  const reply = await daemon.fetch("/v1/run", {
    method: "POST",
    headers: { ...HEADERS, Accept: "application/json" },
    body,
  });
  expect(await reply.json()).toMatchObject({
    ending: "exited",
    stdout: expect.stringMatching(/\n1000000\n$/) as string,
  });
});

test("otherwise the oldest part goes and the program never waits", async () => {
  await using daemon = await startTestDaemon({ argv: SMALL });
  const id = await start(daemon, {});
  expect((await daemon.fetch(`/v1/runs/${id}/wait`)).status).toBe(200);
  const { ending, log } = await look(daemon, id);
  expect([ending, (log.stdout?.oldest ?? 0) > 0, log.stdout?.end]).toEqual(["exited", true, 6_888_896]);
});

test("a killed program whose pipe holds more than the log takes ends all the same", async () => {
  await using daemon = await startTestDaemon({ argv: SMALL });
  const enlarges = `import fcntl, os
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ if hasattr(fcntl, "F_SETPIPE_SZ") else 1031, 1 << 20)
while True: os.write(1, bytes(1 << 20))`;
  const id = await start(daemon, { cmd: "python3", args: ["-c", enlarges], overflow: "wait" });
  // As much as the log may hold, and the pipe behind it is full.
  await until(async () => ((await look(daemon, id)).log.stdout?.end ?? 0) > 300_000);
  const before = (await look(daemon, id)).log.stdout?.end;
  await until(async () => (await look(daemon, id)).log.stdout?.end === before);
  expect((await daemon.fetch(`/v1/runs/${id}`, { method: "DELETE" })).status).toBe(200);
});

test("who connects to a flood that nobody reads gets what is kept and goes on from there", async () => {
  await using daemon = await startTestDaemon({ argv: ["--run-disk-bytes", "8388608"] });
  const id = await start(daemon, { cmd: "cat", args: ["/dev/zero"] });
  await until(async () => ((await look(daemon, id)).log.stdout?.oldest ?? 0) > 1_000_000);
  const { pid } = (await (await daemon.fetch(`/v1/runs/${id}`)).json()) as { pid: number };
  for (let round = 0; round < 5; round += 1) {
    const stream = await WireStream.open(daemon.url, "/process.Process/Connect", { process: { pid } });
    let bytes = 0;
    const heard = await stream.until(({ data, close }) => {
      bytes += data?.stdout?.length ?? 0;
      return close !== undefined || bytes > 100_000;
    });
    expect([heard[0]?.start?.pid, heard.at(-1)?.close]).toEqual([pid, undefined]);
    stream.destroy();
  }
  await daemon.fetch(`/v1/runs/${id}`, { method: "DELETE" });
});

test("a viewer over a WebSocket that fell out of what is kept is told so when it reads on", async () => {
  await using daemon = await startTestDaemon({ argv: SMALL });
  const printer = { cmd: "sh", args: ["-c", "read go; head -c 64000000 /dev/zero"], stdin: true };
  const id = await start(daemon, printer);
  await using viewer = await PtySocket.open(daemon.url, `/v1/runs/${id}/attach`);
  await viewer.frame("start");
  viewer.type("go\n");
  viewer.stall();
  expect((await daemon.fetch(`/v1/runs/${id}/wait`)).status).toBe(200);
  const closed = viewer.closed();
  viewer.resume();
  expect(await closed).toBe(1011);
  expect(viewer.frames.at(-1)).toEqual({
    type: "error",
    code: "out_of_range",
    message: expect.stringMatching(/no longer kept; the oldest byte is at stdout \d+/) as string,
  });
  // What it had been sent until then came whole and in order.
  expect(viewer.bytes.length).toBeGreaterThan(0);
  expect(viewer.bytes.equals(Buffer.alloc(viewer.bytes.length))).toBe(true);
});
