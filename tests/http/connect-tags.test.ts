import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRunning } from "../../src/host/process-tree.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { begin, call, stream } from "../helpers/process-calls.ts";
import { shell, WireStream } from "../unit/edge/connect/wire-client.ts";

/** Where the streams of a reply begin when nothing was sent before. */
const NO_OFFSETS = { stdout: "0", stderr: "0", pty: "0" };

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

/** The status of the answer to SendSignal. */
async function kill(process: { pid: number } | { tag: string }): Promise<number> {
  return (await call(daemon.url, "SendSignal", { process, signal: "SIGNAL_SIGKILL" })).status;
}

describe("tags", () => {
  test("pick the newest of those that have one, also after it ended", async () => {
    const old = await begin(daemon.url, shell("sleep 60", { tag: "twin" }));
    const young = await begin(daemon.url, shell("sleep 60", { tag: "twin" }));
    expect(await kill({ tag: "twin" })).toBe(200);
    expect([isRunning(old.pid), isRunning(young.pid)]).toEqual([true, false]);
    await young.rest();
    expect((await stream(daemon.url, "Connect", { process: { tag: "twin" } }))[0]).toEqual({
      start: { pid: young.pid, offsets: NO_OFFSETS },
    });
    const listed = JSON.parse((await call(daemon.url, "List", {})).text) as {
      processes: { pid: number; tag: string }[];
    };
    expect(listed.processes.filter(({ tag }) => tag === "twin").map(({ pid }) => pid)).toEqual([old.pid]);
    // What acts on a process means one that lives, and a start that fails is no process at all.
    const failed = await stream(daemon.url, "Start", {
      process: { cmd: "true", args: ["x".repeat(200_000)] },
      tag: "twin",
    });
    expect(failed).toMatchObject([{ close: { code: "invalid_argument" } }]);
    expect((await stream(daemon.url, "Connect", { process: { tag: "twin" } }))[0]?.start?.pid).toBe(young.pid);
    expect(await kill({ tag: "twin" })).toBe(200);
    expect(isRunning(old.pid)).toBe(false);
    expect(await kill({ tag: "twin" })).toBe(404);
  });

  test("still pick who lives when the newest has been forgotten", async () => {
    const old = await begin(daemon.url, shell("sleep 60", { tag: "heir" }));
    await stream(daemon.url, "Start", shell("exit 0", { tag: "heir" }));
    const answer = await fetch(`${daemon.url}/v1/runs?tag=heir`);
    const { runs } = (await answer.json()) as { runs: { id: string; state: string }[] };
    const ended = runs.find(({ state }) => state === "ended");
    expect((await fetch(`${daemon.url}/v1/runs/${ended?.id}`, { method: "DELETE" })).status).toBe(200);
    const connected = await WireStream.open(daemon.url, "/process.Process/Connect", { process: { tag: "heir" } });
    expect(await connected.until(() => true)).toEqual([{ start: { pid: old.pid, offsets: NO_OFFSETS } }]);
    await kill({ pid: old.pid });
  });

  test("are found however many there are and whatever they hold", async () => {
    const tags = ["", "a b", "ünï😀", "x".repeat(1000), "__proto__"];
    for (const tag of tags) {
      const { pid } = await begin(daemon.url, shell("sleep 60", { tag }));
      const [first] = await (
        await WireStream.open(daemon.url, "/process.Process/Connect", { process: { tag } })
      ).until(() => true);
      expect(first).toEqual({ start: { pid, offsets: NO_OFFSETS } });
      await kill({ pid });
    }
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
