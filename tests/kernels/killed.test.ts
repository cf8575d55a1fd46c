import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { type CellLine, CellStream, errorsOf, resultOf, textOf } from "../unit/kernels/cell-client.ts";

interface Victim {
  language: string;
  /** A cell that says the number of its process. */
  pid: string;
  /** A cell that says `up`, and then waits. */
  wait: string;
  /** A cell that says 42. */
  answer: string;
}

const SCRIPT: Omit<Victim, "language"> = {
  pid: "process.pid",
  wait: "console.log('up'); await new Promise((resolve) => setTimeout(resolve, 3600_000))",
  answer: "40 + 2",
};

const VICTIMS: readonly Victim[] = [
  {
    language: "python",
    pid: "import os; os.getpid()",
    wait: "import time; print('up', flush=True); time.sleep(3600)",
    answer: "40 + 2",
  },
  { language: "javascript", ...SCRIPT },
  { language: "typescript", ...SCRIPT },
  { language: "bash", pid: "echo $$", wait: "echo up; sleep 3600", answer: "echo $((40 + 2))" },
  {
    language: "r",
    pid: "Sys.getpid()",
    wait: "cat('up\\n'); flush(stdout()); Sys.sleep(3600)",
    answer: "40 + 2",
  },
  {
    language: "java",
    pid: "ProcessHandle.current().pid()",
    wait: 'System.out.println("up"); Thread.sleep(3_600_000);',
    answer: "40 + 2",
  },
];

const KILLED = { name: "ContextRestarting", value: "Context was restarted: signal SIGKILL" };
const NOTICE = "guestd: the kernel ended between cells (signal SIGKILL): this is a fresh one, without its state\n";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real" });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

/** What a cell said last, a number. */
const numberIn = (lines: readonly CellLine[]): number => Number(/\d+\s*$/.exec(resultOf(lines) ?? textOf(lines))?.[0]);

describe.each(VICTIMS)("a killed kernel of $language", ({ language, pid, wait, answer }) => {
  test("in the middle of a cell is one error, and those that wait have their answers from the next kernel", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const before = numberIn(await session.run(pid));
    const running = await session.openUp(wait);
    const queue = (code: string): Promise<CellStream> => CellStream.open(daemon.url, { context_id: session.id, code });
    const waiting = [await queue(answer), await queue(pid)]; // their headers are there: they are in the queue
    process.kill(before, "SIGKILL");
    const lines = await running.until();
    expect(errorsOf(lines)).toEqual([KILLED]);
    expect(lines.at(-1)?.type).toBe("end_of_execution");
    const [first = [], second = []] = await Promise.all(waiting.map((stream) => stream.until()));
    expect([first, second].flatMap(errorsOf)).toEqual([]);
    expect(numberIn(first)).toBe(42);
    expect(numberIn(second)).not.toBe(before);
  });

  test("between cells is told to the next one, which two clients wait for", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const before = numberIn(await session.run(pid));
    process.kill(before, "SIGKILL");
    await until(() => daemon.log.some((line) => line["event"] === "kernel.died" && line["contextId"] === session.id));
    const both = await Promise.all([session.run(answer), session.run(answer)]);
    expect(both.flatMap(errorsOf)).toEqual([]);
    expect(both.map(numberIn)).toEqual([42, 42]);
    expect(both.map((lines) => textOf(lines, "stderr")).join("")).toBe(NOTICE);
  });

  test("at the moment a cell is sent is one error at most", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    process.kill(numberIn(await session.run(pid)), "SIGKILL");
    // A cell that is sent before the death is known goes down with the kernel.
    const next = await session.run(answer);
    expect(errorsOf(next)).toEqual(numberIn(next) === 42 ? [] : [KILLED]);
    expect(numberIn(await session.run(answer))).toBe(42);
  });
});
