import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processState } from "../../src/host/process-tree.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import {
  endedView,
  outputOf,
  parentOf,
  removeRun,
  type RunView,
  signalRun,
  startRun,
  untilPrinted,
  viewOf,
} from "../helpers/native-runs.ts";
import { bytesOf, mustCall, type ProcessEvent, stream } from "../helpers/process-calls.ts";
import { PtySocket } from "./pty-socket.ts";

const LOOKS = 5;
/** Long enough for a shell to set its traps and to print, on a busy machine too. */
const DEADLINE_MS = 1200;

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  daemon = await startTestDaemon();
  folder = mkdtempSync(join(tmpdir(), "guestd-endings-"));
  chmodSync(folder, 0o777);
  writeFileSync(join(folder, "no-program"), "", { mode: 0o644 });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type EndEvent = NonNullable<ProcessEvent["end"]>;

const exited = (code: number): EndEvent => {
  const status = `exit status ${code}`;
  return { exitCode: code, exited: true, status, ...(code !== 0 && { error: status }) };
};
const killed = (words: string): EndEvent => ({
  exitCode: -1,
  exited: false,
  status: `signal: ${words}`,
  error: `signal: ${words}`,
});

interface Death {
  /** What is started; a string is a script for `sh`. */
  start: string | Record<string, unknown>;
  /** Done to it when it has printed `up`. */
  kill?: (run: RunView) => Promise<unknown>;
  view: Partial<RunView> | { detail: unknown };
  event: EndEvent | { error: unknown; status: string };
  output: string;
}

const byRpc = (signal: string) => (run: RunView) =>
  mustCall(daemon.url, "SendSignal", { process: { pid: run.pid }, signal });

/** Prints `up` and then lives on. */
const LIVES = "echo up; exec sleep 60";
/** The same, with something to do when it is asked to end. What it has forked holds no pipe any more when it prints. */
const asked = (action: string): string =>
  `trap '${action}' TERM; sleep 60 >/dev/null 2>&1 & until [ /proc/$!/fd/2 -ef /dev/null ]; do :; done; echo up; wait`;

/** More than is ever read in one go, less than a pipe holds: it is all there when the program dies. */
const PIPEFUL = 'printf "%060000d" 0';
const PIPEFUL_OUTPUT = "0".repeat(60_000);

const DEATHS: Record<string, Death> = {
  "exit 0": {
    start: "echo bye",
    view: { ending: "exited", exitCode: 0, signal: null },
    event: exited(0),
    output: "bye\n",
  },
  "exit 3": {
    start: "echo bye; exit 3",
    view: { ending: "exited", exitCode: 3, signal: null },
    event: exited(3),
    output: "bye\n",
  },
  "exit 255": {
    start: `${PIPEFUL}; exit 255`,
    view: { ending: "exited", exitCode: 255, signal: null },
    event: exited(255),
    output: PIPEFUL_OUTPUT,
  },
  "exit 137, as a shell says it of others": {
    start: "sh -c 'kill -9 $$'; exit $?",
    view: { ending: "exited", exitCode: 137, signal: null },
    event: exited(137),
    output: "Killed\n",
  },
  "a command that does not exist": {
    start: { cmd: "no-such-command-anywhere" },
    view: { ending: "exited", exitCode: 127, signal: null },
    event: exited(127),
    output: "no-such-command-anywhere: not found\n",
  },
  "a file that is no program": {
    start: { cmd: "./no-program" },
    view: { ending: "exited", exitCode: 126, signal: null },
    event: exited(126),
    output: "./no-program: Permission denied\n",
  },
  "a signal of its own": {
    start: `ulimit -c 0; ${PIPEFUL}; kill -SEGV $$`,
    view: { ending: "signaled", exitCode: null, signal: "SIGSEGV" },
    event: killed("segmentation fault"),
    output: PIPEFUL_OUTPUT,
  },
  "a signal of its own, with a core": {
    start: "ulimit -c unlimited; kill -SEGV $$",
    view: { ending: "signaled", exitCode: null, signal: "SIGSEGV" },
    event: killed("segmentation fault (core dumped)"),
    output: "",
  },
  "a signal that has no name of its own": {
    start: "kill -40 $$",
    view: { ending: "signaled", exitCode: null, signal: "SIGRTMIN+6" },
    event: killed("SIGRTMIN+6"),
    output: "",
  },
  "SIGKILL that it sent itself": {
    start: `${PIPEFUL}; kill -9 $$`,
    view: { ending: "signaled", exitCode: null, signal: "SIGKILL" },
    event: killed("killed"),
    output: PIPEFUL_OUTPUT,
  },
  "SIGTERM by SendSignal": {
    start: LIVES,
    kill: byRpc("SIGNAL_SIGTERM"),
    view: { ending: "signaled", exitCode: null, signal: "SIGTERM" },
    event: killed("terminated"),
    output: "up\n",
  },
  "SIGTERM by SendSignal, which it handles": {
    start: asked(`${PIPEFUL}; exit 5`),
    kill: byRpc("SIGNAL_SIGTERM"),
    view: { ending: "exited", exitCode: 5, signal: null },
    event: exited(5),
    output: `up\n${PIPEFUL_OUTPUT}`,
  },
  "SIGKILL by SendSignal": {
    start: `${PIPEFUL}; ${LIVES}`,
    kill: byRpc("SIGNAL_SIGKILL"),
    view: { ending: "signaled", exitCode: null, signal: "SIGKILL" },
    event: killed("killed"),
    output: `${PIPEFUL_OUTPUT}up\n`,
  },
  "any signal by its name": {
    start: LIVES,
    kill: (run) => signalRun(daemon.url, run.id, { signal: "usr2", scope: "leader" }),
    view: { ending: "signaled", exitCode: null, signal: "SIGUSR2" },
    event: killed("user defined signal 2"),
    output: "up\n",
  },
  "the deadline of the whole run": {
    start: { shell: LIVES, timeoutMs: DEADLINE_MS },
    view: { ending: "timeout", detail: "wall", exitCode: null, signal: "SIGTERM" },
    event: killed("terminated"),
    output: "up\n",
  },
  "the deadline, which it makes something of": {
    start: { shell: asked(`${PIPEFUL}; exit 6`), timeoutMs: DEADLINE_MS },
    view: { ending: "timeout", detail: "wall", exitCode: null, signal: null },
    event: exited(6),
    output: `up\n${PIPEFUL_OUTPUT}`,
  },
  "the deadline, at which it ends well": {
    start: { shell: asked("echo bye; exit 0"), timeoutMs: DEADLINE_MS },
    view: { ending: "timeout", detail: "wall", exitCode: null, signal: null },
    event: { ...exited(0), error: "context deadline exceeded" },
    output: "up\nbye\n",
  },
  "the deadline, which it ignores": {
    start: { shell: asked(""), timeoutMs: DEADLINE_MS },
    view: { ending: "timeout", detail: "wall", exitCode: null, signal: "SIGKILL" },
    event: killed("killed"),
    output: "up\n",
  },
  "silence for too long": {
    start: { shell: `echo up; sleep 0.3; echo still up; sleep 60`, idleTimeoutMs: DEADLINE_MS },
    view: { ending: "timeout", detail: "idle", exitCode: null, signal: "SIGTERM" },
    event: killed("terminated"),
    output: "up\nstill up\n",
  },
  "no first output in time": {
    start: { shell: asked("echo too late; exit 1").replace("echo up; ", ""), startTimeoutMs: DEADLINE_MS },
    view: { ending: "timeout", detail: "start", exitCode: null, signal: null },
    event: exited(1),
    output: "too late\n",
  },
  "a shim that was killed": {
    start: LIVES,
    kill: async ({ pid }) => {
      process.kill(parentOf(pid), "SIGKILL");
      // Nobody watches the program any more: the daemon ends and reaps it.
      await until(() => processState(pid) === undefined);
    },
    view: { ending: "lost", exitCode: null, signal: null, detail: expect.stringContaining("shim") as string },
    event: { exitCode: -1, exited: false, status: "lost", error: expect.stringContaining("shim") as string },
    output: "up\n",
  },
};

describe.each(Object.entries(DEATHS))("%s", (_name, death) => {
  test("is told as it was, once, and the same whenever it is asked for", async () => {
    const { url } = daemon;
    const { start } = death;
    const program = typeof start === "string" ? { cmd: "/bin/sh", args: ["-c", start] } : start;
    const run = await startRun(url, { cwd: folder, ...program });
    const watching = stream(url, "Connect", { process: { pid: run.pid } });
    if (death.kill) {
      await untilPrinted(url, run.id, /up\n/);
      await death.kill(run);
    }
    const first = await endedView(url, run.id);
    expect(first).toMatchObject({ ...death.view, state: "ended" });
    expect(first.usage?.source).toBe(first.ending === "lost" ? "clock" : "wait4");
    expect([first.detail !== undefined, first.pipesHeldBy]).toEqual(["detail" in death.view, undefined]);
    for (let look = 0; look < LOOKS; look += 1) expect(await viewOf(url, run.id)).toEqual(first);
    expect(await outputOf(url, run.id)).toBe(death.output);

    const live = await watching;
    expect(endsOf(live)).toEqual([death.event]);
    expect(live.at(-1)).toEqual({ close: "ok" });
    for (let look = 0; look < LOOKS; look += 1) {
      const again = await stream(url, "Connect", { process: { pid: run.pid }, resumeFrom: {} });
      expect([endsOf(again), again.at(-1)]).toEqual([[death.event], { close: "ok" }]);
      expect(bytesOf(again, "stdout").toString() + bytesOf(again, "stderr").toString()).toBe(death.output);
    }
    expect(processState(run.pid)).toBeUndefined();
  });
});

const endsOf = (events: readonly ProcessEvent[]): unknown[] => events.flatMap(({ end }) => (end ? [end] : []));

describe("a run that is removed", () => {
  test("is cancelled; who watched it hears its end, and then nobody knows it any more", async () => {
    const run = await startRun(daemon.url, { shell: LIVES });
    const { pid } = run;
    const watching = stream(daemon.url, "Connect", { process: { pid } });
    await using viewer = await PtySocket.open(daemon.url, `/v1/runs/${run.id}/attach`);
    await viewer.untilText("up\n");
    expect(await removeRun(daemon.url, run.id)).toMatchObject({ ending: "cancelled", survivors: [] });
    expect(processState(pid)).toBeUndefined();
    expect(endsOf(await watching)).toEqual([killed("killed")]);
    expect(await viewer.frame("end")).toMatchObject({
      ending: "cancelled",
      detail: `DELETE /v1/runs/${run.id}`,
      signal: "SIGKILL",
    });
    for (let look = 0; look < LOOKS; look += 1) {
      expect((await fetch(`${daemon.url}/v1/runs/${run.id}`)).status).toBe(404);
    }
  });
});
