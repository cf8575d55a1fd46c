import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { seedOfThisRun, Random } from "../helpers/random.ts";
import { interruptAtRandom, PYTHON_INTERRUPTS } from "../helpers/random-interrupts.ts";
import { errorsOf, resultOf, textOf } from "../unit/kernels/cell-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  const argv = ["--kernels", "python", "--preload", "no_such_module"];
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true, argv });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 60_000);
});
afterAll(async () => daemon[Symbol.asyncDispose]());

/** A context with a variable that is there as long as its state is. */
async function open(): Promise<CodeSession> {
  const session = await CodeSession.open(daemon.interpreterUrl, { language: "python" });
  await session.run("kept = 'yes'");
  return session;
}

const KEPT = "globals().get('kept')";
const UP = "print('up', flush=True)";
const INTERRUPTED = [{ name: "KeyboardInterrupt", value: "" }];
const KILLED = [
  {
    name: "ContextRestarting",
    value: "Context was restarted: signal SIGKILL, since the cell did not stop when it was interrupted",
  },
];
/** Native code that never returns and hears no signal: a lock that is taken twice. */
/** A call of C that announces itself, and does not come back for any signal. */
const STUCK = `import ctypes\nctypes.CDLL(None).system(b"trap '' INT; echo up; exec sleep 600")`;
/** Announces itself where it is deaf already. */
const DEAF = `while True:\n  try:\n    ${UP}\n    time.sleep(600)\n  except KeyboardInterrupt:\n    continue`;

const STOPPABLE: [string, string][] = [
  ["a busy loop", "while True: pass"],
  ["a sleep", "import time; time.sleep(600)"],
  ["an await", "import asyncio; await asyncio.sleep(600)"],
  ["a gather of tasks", "import asyncio; await asyncio.gather(*(asyncio.sleep(600) for _ in range(3)))"],
  ["a program", "import subprocess; subprocess.run(['sleep', '600'])"],
  ["a shell command", "!sleep 600"],
  ["a regular expression", "import re; re.match('(a+)+$', 'a' * 60 + 'b')"],
  ["a read from a pipe", "import os; os.read(os.pipe()[0], 1)"],
  ["a lock", "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()"],
];

describe("an interrupt ends, and keeps the variables of,", () => {
  test.each(STOPPABLE)("%s, whoever asks for it", async (_what, code) => {
    await using session = await open();
    const asked = await session.openUp(`${UP}\n${code}`);
    expect(await session.interrupt()).toMatchObject({ outcome: "interrupted", stateKept: true });
    expect(errorsOf(await asked.until())).toEqual(INTERRUPTED);
    // Time enough to begin on a busy machine; all that matters is that it is over some time.
    const timed = await session.run(`${UP}\n${code}`, { timeout_ms: 200 });
    expect([errorsOf(timed), timed.at(-1)]).toEqual([
      INTERRUPTED,
      { type: "end_of_execution", interruption: { outcome: "interrupted", state_kept: true } },
    ]);
    const left = await session.openUp(`${UP}\n${code}`);
    left.destroy();
    expect(await session.value(KEPT)).toBe("yes");
  });
});

describe("a cell that does not stop", { concurrent: true }, () => {
  test.each([
    ["catches every interrupt", `import time\n${DEAF}`],
    ["is stuck in native code", STUCK],
  ])("because it %s loses its kernel, is told so, and the context works", async (_what, code) => {
    await using session = await open();
    const stream = await session.openUp(code);
    expect(await session.interrupt()).toMatchObject({ outcome: "killed", stateKept: false });
    const lines = await stream.until();
    expect([errorsOf(lines), lines.at(-1)?.type]).toEqual([KILLED, "end_of_execution"]);
    expect([await session.value(KEPT), await session.value("40 + 2")]).toEqual(["", "42"]);
  });

  test("and whose client has left loses its kernel as well", async () => {
    await using session = await open();
    const stream = await session.openUp(`import time\n${DEAF}`);
    const id = String(stream.headers["guestd-run-id"]);
    stream.destroy();
    const next = await session.run("40 + 2");
    expect([resultOf(next), errorsOf(next), textOf(next, "stderr")]).toEqual(["42", [], ""]);
    const run = await daemon.fetch(`/v1/runs/${id}`);
    expect(await run.json()).toMatchObject({
      ending: "cancelled",
      detail: "the client",
      interruption: { outcome: "killed", stateKept: false },
    });
  });
});

describe("a cell that deals with an interrupt", () => {
  test("and ends by itself has finished", async () => {
    await using session = await open();
    const code = `import time\ntry:\n  ${UP}\n  time.sleep(600)\nexcept KeyboardInterrupt:\n  pass\n'dealt with'`;
    const stream = await session.openUp(code);
    expect(await session.interrupt()).toMatchObject({ outcome: "finished", stateKept: true });
    const lines = await stream.until();
    expect([resultOf(lines), errorsOf(lines)]).toEqual(["dealt with", []]);
    expect(await session.value(KEPT)).toBe("yes");
  });

  test("and goes on may do so, where whoever asked wants no kill", async () => {
    await using session = await open();
    const code = `import time\ngo_on = True\n${DEAF.replace("True", "go_on")}\n'done'`;
    const stream = await session.openUp(code);
    expect(await session.interrupt("?kill=0&graceMs=300")).toMatchObject({ outcome: "ignored", stateKept: true });
    expect(await session.interrupt("?kill=1&graceMs=0")).toMatchObject({ outcome: "killed", stateKept: false });
    expect(errorsOf(await stream.until())).toEqual(KILLED);
  });
});

test("interrupts at any moment around begin and end of cells cost no state, and never the next cell", async () => {
  const random = new Random(seedOfThisRun());
  console.log(`interrupts: GUESTD_SEED=${random.seed}`);
  const report = await interruptAtRandom(daemon.interpreterUrl, "python", { ...PYTHON_INTERRUPTS, random, count: 60 });
  expect(report.faults).toEqual([]);
});

test("a cell that prints for a client that does not read can be interrupted, and keeps its state", async () => {
  await using session = await open();
  const stream = await session.openUp(`${UP}\nwhile True: print('x' * 1000)`);
  stream.response.pause();
  const id = String(stream.headers["guestd-run-id"]);
  await until(async () => {
    const { log } = (await (await daemon.fetch(`/v1/runs/${id}`)).json()) as { log: { stdout: { end: number } } };
    return log.stdout.end > 4_000_000;
  });
  expect(await session.interrupt()).toMatchObject({ outcome: "interrupted", stateKept: true, runId: id });
  stream.destroy();
  expect(await session.value(KEPT)).toBe("yes");
});
