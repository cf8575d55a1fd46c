import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import {
  type CellLine,
  CellStream,
  errorsOf,
  execute,
  resultOf,
  textOf,
  typesOf,
} from "../unit/kernels/cell-client.ts";

/** Small limits, so that a cell soon says more than is kept. */
const ARGV = ["--run-memory-bytes", "65536", "--run-disk-bytes", "1048576", "--cell-output-bytes", "60000000"];
const FLOOD = 50_000_000;
const MISSING = /^guestd: (\d+) bytes of this cell's output are missing here: they were not read in time\n$/;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "toy", argv: ARGV });
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const cell = (code: string): Promise<CellLine[]> => execute(daemon.url, { language: "toy", code });
const open = (code: string): Promise<CellStream> => CellStream.open(daemon.url, { language: "toy", code });
const runOf = async (id: unknown): Promise<Record<string, unknown>> =>
  (await (await daemon.fetch(`/v1/runs/${String(id)}`)).json()) as Record<string, unknown>;
const hasEnded = async (id: unknown): Promise<boolean> => (await runOf(id))["state"] === "ended";

/** Opens a cell whose output nobody reads, and waits until it has ended all the same. */
async function openStalled(code: string): Promise<CellStream> {
  const stream = await open(code);
  stream.response.pause();
  await until(() => hasEnded(stream.headers["guestd-run-id"]), 30_000);
  return stream;
}

const code = (body: string, accept: string, signal?: AbortSignal): Promise<Response> =>
  daemon.fetch("/v1/code/toy", { method: "POST", body, headers: { Accept: accept }, ...(signal && { signal }) });

describe("a client that does not read", () => {
  test("holds up no cell, and is told how much it has missed when it reads on", async () => {
    const stream = await openStalled(`print begin\nflood ${FLOOD}\nresult done`);
    const lines = await stream.until();
    const [missing = "", ...more] = lines.filter(({ type }) => type === "stderr").map(({ text }) => text ?? "");
    const [, bytes = "0"] = MISSING.exec(missing) ?? [];
    expect([more, Number(bytes) > 0]).toEqual([[], true]);
    // The count is of all streams: text, and the events whose size is not seen here.
    const seen = textOf(lines).length + Number(bytes);
    expect(seen).toBeGreaterThan(FLOOD);
    expect(seen).toBeLessThan(FLOOD + 1000);
    expect([resultOf(lines), lines.at(-1)?.type]).toEqual(["done", "end_of_execution"]);
  });

  test("of /v1/code is told so as well", async () => {
    const response = await code(`flood ${FLOOD}\nresult done`, "application/x-ndjson");
    await until(() => hasEnded(response.headers.get("guestd-run-id")), 30_000);
    const events = (await response.text())
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.find(({ stream }) => stream === "stderr")?.["text"]).toMatch(MISSING);
    expect(events.slice(-2)).toMatchObject([{ type: "result" }, { type: "end", ending: "finished" }]);
  });

  test("and whose run is removed meanwhile gets one error and the end", async () => {
    const stream = await openStalled(`flood ${FLOOD}`);
    const id = String(stream.headers["guestd-run-id"]);
    expect((await daemon.fetch(`/v1/runs/${id}`, { method: "DELETE" })).status).toBe(200);
    const lines = await stream.until();
    expect(errorsOf(lines).map(({ name }) => name)).toEqual(["UnexpectedEndOfExecution"]);
    expect(lines.at(-1)?.type).toBe("end_of_execution");
  });

  test("and leaves is nobody: its cell has ended, the next one runs", async () => {
    const stream = await openStalled(`set kept yes\nflood ${FLOOD}`);
    stream.destroy();
    expect(resultOf(await cell("get kept"))).toBe("yes");
  });
});

test("a client that leaves /v1/code in the middle of much output interrupts its cell; the state is kept", async () => {
  for (const accept of ["text/plain", "application/x-ndjson", "text/event-stream", "application/json"]) {
    const leaving = new AbortController();
    await cell(`set kept ${accept}`);
    const before = new Set((await allRuns()).map(({ id }) => id));
    const answer = code(`flood 300000\nsleep 60000`, accept, leaving.signal).then(
      (response) => response.text(),
      () => "",
    );
    answer.catch(() => undefined);
    await until(async () => (await allRuns()).some(({ id, log }) => !before.has(id) && log.stdout?.end === 300_000));
    leaving.abort();
    expect(resultOf(await cell("get kept"))).toBe(accept);
  }
});

async function allRuns(): Promise<{ id: string; log: { stdout?: { end: number } } }[]> {
  return ((await (await daemon.fetch("/v1/runs")).json()) as { runs: [] }).runs;
}

describe("what a cell prints", () => {
  test("in one piece is one event, wherever that falls in the log", async () => {
    const pieces = Array.from({ length: 40 }, (_, index) => String(index).padEnd(3001, "x"));
    const lines = await cell(pieces.map((piece) => `write ${piece}\nunit`).join("\n"));
    expect(lines.filter(({ type }) => type === "stdout").map(({ text }) => text)).toEqual(pieces);
  });

  test("and breaks off within a character is told as far as it goes", async () => {
    expect(textOf(await cell("bytes 61e282"))).toBe("a\ufffd");
  });

  test("of any bytes disturbs nothing", async () => {
    const bytes = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, "0")).join("");
    const lines = await cell(`bytes ${bytes}${bytes}\nresult 1`);
    expect([resultOf(lines), textOf(lines).length > 256, errorsOf(lines)]).toEqual(["1", true, []]);
  });
});

describe("a cell that says more than one may", () => {
  test("is told so once, and the rest is left out; its error and its end are not", async () => {
    await using small = await startTestDaemon({ kernels: "toy", argv: ["--cell-output-bytes", "1024"] });
    const big = JSON.stringify({ "text/plain": "y".repeat(2000) });
    const lines = await execute(small.url, {
      language: "toy",
      code: `write ${"x".repeat(1000)}\ndisplay ${big}\nwrite ${"x".repeat(100)}\nerr more\nthrow oops`,
    });
    expect(typesOf(lines)).toEqual(["number_of_executions", "stdout", "stderr", "error", "end_of_execution"]);
    expect(textOf(lines, "stderr")).toBe(
      "guestd: the output of this cell is more than 1024 bytes: the rest is left out\n",
    );
    const next = await execute(small.url, { language: "toy", code: "print next" });
    expect(textOf(next)).toBe("next\n");
  });

  test("keeps exactly what it may", async () => {
    await using small = await startTestDaemon({ kernels: "toy", argv: ["--cell-output-bytes", "100000"] });
    const lines = await execute(small.url, { language: "toy", code: "flood 1000000\nflood 1000000" });
    expect(textOf(lines).length).toBe(100_000);
    expect(lines.filter(({ type }) => type === "stderr")).toHaveLength(1);
  });
});

test("a cell whose error is too large to be told fails all the same", async () => {
  const lines = await cell("burst 70000000");
  expect(typesOf(lines)).toEqual(["number_of_executions", "stderr", "error", "end_of_execution"]);
  expect(errorsOf(lines)).toMatchObject([{ name: "Error", value: expect.stringContaining("too large") as string }]);
  expect(resultOf(await cell("result next"))).toBe("next");
});

test("server-sent events of a cell have ids from which its run's log goes on", async () => {
  const response = await code("print one\nprint two\nresult 3\nprint four", "text/event-stream");
  const frames = (await response.text()).trimEnd().split("\n\n");
  const events = frames.map((frame) => Object.fromEntries(frame.split("\n").map((line) => line.split(/: (.*)/s))));
  expect(events.map(({ event }) => event as unknown)).toEqual(["start", "count", "output", "result", "output", "end"]);
  const result = events.find(({ event }) => event === "result");
  const log = await daemon.fetch(`${response.headers.get("location")}/log`, {
    headers: { Accept: "text/event-stream", "Last-Event-ID": String(result?.["id"]) },
  });
  expect((await log.text()).match(/"text":"(.*?)"/g)).toEqual(['"text":"four\\n"']);
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
