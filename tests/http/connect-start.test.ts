import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import {
  envelope,
  eventOf,
  framesOf,
  JSON_STREAM,
  outputOf,
  send,
  shell,
  type StreamEvent,
} from "../unit/edge/connect/wire-client.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

/** All events of a program that is started and read to its end. */
async function start(message: unknown, headers: Record<string, string> = {}): Promise<StreamEvent[]> {
  const wire = { path: "/process.Process/Start", headers: { ...JSON_STREAM, ...headers }, body: envelope(message) };
  return framesOf((await send(daemon.url, wire)).body).map(eventOf);
}

const endOf = (events: readonly StreamEvent[]): StreamEvent["end"] => events.find(({ end }) => end)?.end;
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("what a program starts with", () => {
  test("its user's environment, what the call says on top, and nothing of the daemon's", async () => {
    const events = await start({ process: { cmd: "env", envs: { MINE: "1", HOME: "/elsewhere" } } });
    const names = outputOf(events)
      .split("\n")
      .map((line) => line.split("=")[0])
      .filter(Boolean);
    expect(new Set(names)).toEqual(new Set(["E2B_SANDBOX", "HOME", "LOGNAME", "MINE", "PATH", "USER"]));
    expect(outputOf(events)).toMatch(/^HOME=\/elsewhere$/m);
  });

  test("the home of its user, or the directory it was given", async () => {
    const asRoot = { Authorization: `Basic ${base64("root:")}` };
    expect(outputOf(await start({ process: { cmd: "pwd" } }, asRoot))).toBe("/root\n");
    expect(outputOf(await start({ process: { cmd: "pwd", cwd: "/usr/../tmp" } }))).toBe("/tmp\n");
  });

  test.skipIf(process.geteuid?.() !== 0)("the user that was named", async () => {
    const asNobody = { Authorization: `Basic ${base64("nobody:ignored")}` };
    expect(outputOf(await start(shell("id -un; id -Gn", { process: { cwd: "/" } }), asNobody))).toBe(
      "nobody\nnogroup\n",
    );
  });

  test.each([
    ["no-such-command", 127, "no-such-command: not found\n"],
    ["/tmp", 126, "/tmp: Permission denied\n"],
  ])("a command that cannot be run, %s, is told in the stream", async (cmd, exitCode, message) => {
    const events = await start({ process: { cmd, cwd: "/" } });
    expect(events[0]).toHaveProperty("start.pid");
    expect([outputOf(events, "stderr"), endOf(events)]).toEqual([
      message,
      { exitCode, exited: true, status: `exit status ${exitCode}`, error: `exit status ${exitCode}` },
    ]);
  });
});
