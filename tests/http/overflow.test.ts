import { expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";

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
