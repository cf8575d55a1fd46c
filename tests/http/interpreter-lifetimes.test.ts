import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { descendantsOf, isRunning } from "../../src/host/process-tree.ts";
import { startToyDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { send } from "../unit/edge/connect/wire-client.ts";
import { errorsOf, resultOf, textOf, typesOf } from "../unit/kernels/cell-client.ts";
import { ToyContext } from "./toy-context.ts";

let daemon: TestDaemon;
let url = "";
beforeAll(async () => {
  daemon = await startToyDaemon();
  url = daemon.interpreterUrl;
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const INTERRUPTED = { name: "KeyboardInterrupt", value: "" };
const CLOSED = {
  name: "UnexpectedEndOfExecution",
  value: "Connection to the execution was closed before the execution was finished",
};

describe("cells of one context", () => {
  test("run one at a time in the order they came, and each has its answer's headers at once", async () => {
    await using context = await ToyContext.create(url);
    const first = await context.open("sleep 200\nset order a");
    const rest = await Promise.all([1, 2, 3].map((index) => context.open(`get order\nset order ${index}`)));
    expect(rest.map(({ status }) => status)).toEqual([200, 200, 200]);
    const [one, two, three] = await Promise.all(rest.map((stream) => stream.until()));
    expect([one, two, three].map((lines) => resultOf(lines ?? []))).toEqual(["a", "1", "2"]);
    const counts = [await first.until(), one, two, three].map(
      (lines) => lines?.find(({ type }) => type === "number_of_executions")?.execution_count,
    );
    expect(counts).toEqual([1, 2, 3, 4]);
  });

  test("do not wait for those of another one", async () => {
    await using one = await ToyContext.create(url);
    await using two = await ToyContext.create(url);
    const sleeper = await one.openSleeper();
    expect(resultOf(await two.run("result free"))).toBe("free");
    sleeper.destroy();
  });

  test("go on after one that failed", async () => {
    await using context = await ToyContext.create(url);
    const [failed, next] = await Promise.all([context.run("throw x"), context.run("result ok")]);
    expect([errorsOf(failed), resultOf(next)]).toEqual([[{ name: "ToyError", value: "x" }], "ok"]);
  });
});

describe("a client that leaves", () => {
  test("while its cell runs has it interrupted, and the state is kept", async () => {
    await using context = await ToyContext.create(url);
    await context.run("set kept yes");
    const sleeper = await context.openSleeper();
    const id = String(sleeper.headers["guestd-run-id"]);
    sleeper.destroy();
    // Were it not interrupted, it would lose its kernel, and with it the state.
    expect(resultOf(await context.run("get kept"))).toBe("yes");
    const run = (await (await daemon.fetch(`/v1/runs/${id}`)).json()) as Record<string, unknown>;
    expect(run).toMatchObject({ state: "ended", ending: "cancelled", detail: "the client" });
  });

  test("while its cell is queued takes it out of the queue, and disturbs nobody", async () => {
    await using context = await ToyContext.create(url);
    const running = await context.open("print up\nsleep 300\nset ran no");
    await running.until(({ type }) => type === "stdout");
    const queued = await context.open("set ran yes");
    const id = String(queued.headers["guestd-run-id"]);
    const after = context.run("get ran");
    queued.destroy();
    expect(errorsOf(await running.until())).toEqual([]);
    expect(resultOf(await after)).toBe("no");
    const run = (await (await daemon.fetch(`/v1/runs/${id}`)).json()) as Record<string, unknown>;
    expect(run).toMatchObject({ ending: "cancelled", detail: "the client, before the cell began" });
  });

  test("by many at once leaves a context that works", async () => {
    await using context = await ToyContext.create(url);
    const streams = await Promise.all(Array.from({ length: 10 }, () => context.open("sleep 60000")));
    for (const stream of streams) stream.destroy();
    expect(resultOf(await context.run("result 1"))).toBe("1");
  });
});

describe("a time limit", () => {
  test("interrupts the cell when it is over, counted from its start, and the state is kept", async () => {
    await using context = await ToyContext.create(url);
    await context.run("set kept yes");
    const before = context.run("sleep 400");
    const lines = await context.run("print up\nsleep 60000", { timeout_ms: 300 });
    expect([textOf(lines), errorsOf(lines), lines.at(-1)?.type]).toEqual(["up\n", [INTERRUPTED], "end_of_execution"]);
    expect(errorsOf(await before)).toEqual([]);
    expect(resultOf(await context.run("get kept"))).toBe("yes");
  });

  test("that is not reached changes nothing", async () => {
    await using context = await ToyContext.create(url);
    expect(errorsOf(await context.run("sleep 10", { timeout_ms: 60_000 }))).toEqual([]);
  });
});

describe("a kernel that dies", () => {
  test.each([
    ["print last words\nset x 1\ndie 3", "Context was restarted: exit code 3"],
    ["print last words\nkill", "Context was restarted: signal SIGKILL"],
  ])("in %j ends its cell with its words, one error and the end, and another one is there", async (code, value) => {
    await using context = await ToyContext.create(url);
    const lines = await context.run(code);
    expect([textOf(lines), errorsOf(lines), lines.at(-1)?.type]).toEqual([
      "last words\n",
      [{ name: "ContextRestarting", value }],
      "end_of_execution",
    ]);
    expect(lines.filter(({ type }) => type === "end_of_execution")).toHaveLength(1);
    const [start, ...rest] = await context.run("get x");
    expect([start?.execution_count, resultOf(rest)]).toEqual([1, "none"]);
  });

  test("after its cell has had its error is no second one, but told all the same", async () => {
    await using context = await ToyContext.create(url);
    const lines = await context.run("fail oops\ndie 3");
    expect([errorsOf(lines), textOf(lines, "stderr"), lines.at(-1)?.type]).toEqual([
      [{ name: "ToyError", value: "oops" }],
      "guestd: Context was restarted: exit code 3\n",
      "end_of_execution",
    ]);
  });

  test("takes no queued cell with it", async () => {
    await using context = await ToyContext.create(url);
    const [died, next] = await Promise.all([context.run("sleep 50\ndie 1"), context.run("result alive")]);
    expect([errorsOf(died).length, errorsOf(next), resultOf(next)]).toEqual([1, [], "alive"]);
  });

  test("between cells is replaced before the next one", async () => {
    const before = kernelPids();
    await using context = await ToyContext.create(url);
    await context.run("set x 1");
    const [kernel = 0, ...others] = kernelPids().filter((pid) => !before.includes(pid));
    expect(others).toEqual([]);
    process.kill(kernel, "SIGKILL");
    await until(() => !isRunning(kernel));
    await until(async () =>
      daemon.log.some(({ event, contextId }) => event === "kernel.died" && contextId === context.id),
    );
    const lines = await context.run("get x");
    expect([errorsOf(lines), resultOf(lines), lines[0]?.execution_count]).toEqual([[], "none", 1]);
    // The state was lost without a cell to tell it to: the next one is told, once.
    expect(textOf(lines, "stderr")).toBe(
      "guestd: the kernel ended between cells (signal SIGKILL): this is a fresh one, without its state\n",
    );
    expect(textOf(await context.run("result 1"), "stderr")).toBe("");
  });
});

describe("a restart", () => {
  test("in the middle of a cell ends it with one error, and the queued one runs in the new kernel", async () => {
    await using context = await ToyContext.create(url);
    await context.run("set x 1");
    const sleeper = await context.openSleeper();
    const queued = context.run("get x");
    expect((await context.restart()).status).toBe(200);
    const lines = await sleeper.until();
    expect([errorsOf(lines), lines.at(-1)?.type]).toEqual([[CLOSED], "end_of_execution"]);
    const after = await queued;
    expect([errorsOf(after), resultOf(after), after[0]?.execution_count]).toEqual([[], "none", 1]);
  });

  test("by several at once is one fresh kernel", async () => {
    await using context = await ToyContext.create(url);
    expect(
      (await Promise.all([context.restart(), context.restart(), context.restart()])).map(({ status }) => status),
    ).toEqual([200, 200, 200]);
    expect((await context.run("result 1"))[0]?.execution_count).toBe(1);
  });
});

test("removing a context in the middle of a cell ends that cell, and the queued ones, with one error each", async () => {
  await using context = await ToyContext.create(url);
  const sleeper = await context.openSleeper();
  const queued = [context.run("result 1"), context.run("result 2")];
  expect((await context.remove()).status).toBe(200);
  for (const lines of [await sleeper.until(), ...(await Promise.all(queued))]) {
    expect([errorsOf(lines), lines.at(-1)?.type]).toEqual([[CLOSED], "end_of_execution"]);
  }
  const gone = await send(url, {
    path: "/execute",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ context_id: context.id, code: "" }),
  });
  expect(gone.status).toBe(404);
});

describe("five seconds", { concurrent: true }, () => {
  test("of silence bring a keepalive, to the cell that runs and to the one that waits", async () => {
    await using context = await ToyContext.create(url);
    const running = context.run("sleep 7000\nprint end");
    const queued = context.run("result next");
    expect(typesOf(await running)).toEqual(["number_of_executions", "keepalive", "stdout", "end_of_execution"]);
    expect(typesOf(await queued)).toEqual(["keepalive", "number_of_executions", "result", "end_of_execution"]);
  });

  test.each([
    ["application/x-ndjson", '{"type":"keepalive"}\n'],
    ["text/event-stream", ": keepalive\n\n"],
  ])("of silence bring one in %s of /v1/code as well", async (accept, keepalive) => {
    await using context = await ToyContext.create(url);
    const answer = await fetch(`${daemon.url}/v1/code/toy?context=${context.id}`, {
      method: "POST",
      headers: { Accept: accept },
      body: "sleep 7000\nprint end",
    });
    expect((await answer.text()).split(keepalive).length).toBeGreaterThan(1);
  });

  test("after its interruption a cell that does not stop loses its kernel, and the client hears of it", async () => {
    await using context = await ToyContext.create(url);
    const lines = await context.run("print up\nhang", { timeout_ms: 50 });
    expect([textOf(lines), errorsOf(lines).map(({ name }) => name), lines.at(-1)?.type]).toEqual([
      "up\n",
      ["ContextRestarting"],
      "end_of_execution",
    ]);
    expect(daemon.log).toContainEqual(expect.objectContaining({ event: "kernel.stuck", contextId: context.id }));
    expect(resultOf(await context.run("result fresh"))).toBe("fresh");
  });
});

/** The processes of all kernels: what our shims have started. */
function kernelPids(): number[] {
  return descendantsOf(process.pid).filter((pid) => isRunning(pid) && commandOf(pid) !== "guestd-shim");
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
