import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startToyDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { send } from "../unit/edge/connect/wire-client.ts";
import { errorsOf, resultOf, textOf } from "../unit/kernels/cell-client.ts";
import { ToyContext } from "./toy-context.ts";

let daemon: TestDaemon;
let url = "";
beforeAll(async () => {
  daemon = await startToyDaemon();
  url = daemon.interpreterUrl;
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const INTERRUPTED = { name: "KeyboardInterrupt", value: "" };

describe("interrupting a context", () => {
  test("ends its cell, and that cell only; the state is kept", async () => {
    await using context = await ToyContext.create(url);
    await context.run("set kept yes");
    const sleeper = await context.openSleeper();
    const queued = context.run("get kept");
    const reply = await context.interrupt();
    expect([reply.status, JSON.parse(reply.text)]).toEqual([200, { outcome: "interrupted", state_kept: true }]);
    expect(errorsOf(await sleeper.until())).toEqual([INTERRUPTED]);
    expect(resultOf(await queued)).toBe("yes");
    const run = await daemon.fetch(`/v1/runs/${String(sleeper.headers["guestd-run-id"])}`);
    expect(await run.json()).toMatchObject({
      ending: "cancelled",
      detail: "an interrupt of the context",
      interruption: { outcome: "interrupted", stateKept: true },
    });
  });

  test("gently lets a cell go on that does not stop; it ends as if nothing had been", async () => {
    await using context = await ToyContext.create(url);
    await context.run("set kept yes");
    const deaf = await context.open("deaf on\nprint up\nsleep 60000\ndeaf off\nresult done");
    await deaf.until(({ type }) => type === "stdout");
    const path = `/v1/contexts/${context.id}/interrupt`;
    const gentle = await daemon.fetch(`${path}?graceMs=100&kill=0`, { method: "POST" });
    const id = String(deaf.headers["guestd-run-id"]);
    expect([gentle.status, await gentle.json()]).toEqual([200, { outcome: "ignored", stateKept: true, runId: id }]);
    expect(await (await daemon.fetch(`/v1/runs/${id}`)).json()).toMatchObject({ state: "running", ending: null });
    const firm = await daemon.fetch(`${path}?graceMs=100`, { method: "POST" });
    expect(await firm.json()).toEqual({ outcome: "killed", stateKept: false, runId: id });
    const [error] = errorsOf(await deaf.until());
    expect(error?.value).toBe(
      "Context was restarted: signal SIGKILL, since the cell did not stop when it was interrupted",
    );
    expect(await (await daemon.fetch(`/v1/runs/${id}`)).json()).toMatchObject({
      ending: "cancelled",
      interruption: { outcome: "killed", stateKept: false },
    });
    expect(await (await daemon.fetch(`/v1/contexts/${context.id}`)).json()).toMatchObject({
      lastLoss: { reason: "signal SIGKILL, since the cell did not stop when it was interrupted" },
    });
    const after = await context.run("get kept");
    expect([resultOf(after), textOf(after, "stderr")]).toEqual(["none", ""]);
  });

  test("whose cell deals with it and ends by itself is told that it finished", async () => {
    await using context = await ToyContext.create(url);
    const stream = await context.open("shield\nprint up\nsleep 60000\nresult done");
    await stream.until(({ type }) => type === "stdout");
    const reply = await context.interrupt();
    expect(JSON.parse(reply.text)).toEqual({ outcome: "finished", state_kept: true });
    expect(resultOf(await stream.until())).toBe("done");
    const run = await daemon.fetch(`/v1/runs/${String(stream.headers["guestd-run-id"])}`);
    expect(await run.json()).toMatchObject({
      ending: "finished",
      detail: "ok",
      interruption: { outcome: "finished", stateKept: true },
    });
  });

  test("that runs nothing does nothing", async () => {
    await using context = await ToyContext.create(url);
    await context.run("set kept yes");
    const reply = await context.interrupt();
    expect([reply.status, JSON.parse(reply.text)]).toEqual([200, { outcome: "finished", state_kept: true }]);
    expect(resultOf(await context.run("get kept"))).toBe("yes");
  });

  test("that does not exist is not found", async () => {
    const reply = await send(url, { path: "/contexts/some-id/interrupt" });
    expect([reply.status, reply.text]).toEqual([404, "Context some-id not found"]);
  });
});

test("removing the run of a cell interrupts it, or takes it out of the queue; the context goes on", async () => {
  await using context = await ToyContext.create(url);
  await context.run("set kept yes");
  const sleeper = await context.openSleeper();
  const queued = await context.open("set kept no");
  for (const { headers } of [queued, sleeper]) {
    const path = `/v1/runs/${String(headers["guestd-run-id"])}`;
    const removed = await daemon.fetch(path, { method: "DELETE" });
    expect([removed.status, await removed.json()]).toMatchObject([200, { ending: "cancelled" }]);
    expect((await daemon.fetch(path)).status).toBe(404);
  }
  expect(resultOf(await context.run("get kept"))).toBe("yes");
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
