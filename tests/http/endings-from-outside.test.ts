import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processState } from "../../src/host/process-tree.ts";
import { keepProcessorsBusy } from "../helpers/busy.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { ProcessMark } from "../helpers/marked-processes.ts";
import { memoryGroupFor } from "../helpers/memory-cgroup.ts";
import { endedView, post, removeRun, type RunView, startRun, untilPrinted, viewOf } from "../helpers/native-runs.ts";
import { begin, bytesOf, call, mustCall, type ProcessEvent, stream } from "../helpers/process-calls.ts";
import { PtySocket } from "./pty-socket.ts";

const LOOKS = 5;
const MIB = 1024 * 1024;
const isRoot = process.geteuid?.() === 0;
const KILLED = { exitCode: -1, exited: false, status: "signal: killed", error: "signal: killed" };

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  daemon = await startTestDaemon();
  folder = mkdtempSync(join(tmpdir(), "guestd-endings-"));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const shell = (script: string): { process: object } => ({ process: { cmd: "/bin/sh", args: ["-c", script] } });
const endsOf = (events: readonly ProcessEvent[]): unknown[] => events.flatMap(({ end }) => (end ? [end] : []));

/** The runs that have this tag, by `GET /v1/runs`. */
async function tagged(tag: string): Promise<RunView[]> {
  const answer = await fetch(`${daemon.url}/v1/runs?tag=${tag}`);
  return ((await answer.json()) as { runs: RunView[] }).runs;
}

/** The end of a run, which has to be the same whenever it is asked for; its log may grow by what it left behind. */
async function settledView(id: string): Promise<RunView> {
  const view = await endedView(daemon.url, id);
  for (let look = 0; look < LOOKS; look += 1) {
    expect(await viewOf(daemon.url, id)).toEqual({ ...view, log: expect.anything() as RunView["log"] });
  }
  return view;
}

describe("the kernel's want of memory", () => {
  const EAT = "python3 -c 'print(1, flush=True); x = bytearray(100 * 1024 * 1024); print(2, flush=True)'";

  test("is told as such, not as somebody's SIGKILL", async (context) => {
    await using group = memoryGroupFor(context, 30 * MIB);
    const shellLine = `echo $$ > ${group.procsFile}; exec ${EAT}`;
    const run = await startRun(daemon.url, { cmd: "/bin/sh", args: ["-c", shellLine], user: "root" });
    const view = await settledView(run.id);
    expect(view).toMatchObject({ ending: "oom", exitCode: null, signal: "SIGKILL", usage: { source: "wait4" } });
    expect(["certain", "likely"]).toContain(view.detail);
    for (let look = 0; look < LOOKS; look += 1) {
      const events = await stream(daemon.url, "Connect", { process: { pid: run.pid }, resumeFrom: {} });
      expect([endsOf(events), bytesOf(events, "stdout").toString()]).toEqual([[KILLED], "1\n"]);
    }
  });

  test("that hits a child is no ending of the program", async (context) => {
    await using group = memoryGroupFor(context, 30 * MIB);
    const script = join(folder, "child.sh");
    writeFileSync(
      script,
      `sh -c 'echo $$ > ${group.procsFile}; read go; exec "$@"' sh ${EAT} <<end\ngo\nend\nexit 9\n`,
    );
    const run = await startRun(daemon.url, { cmd: "/bin/sh", args: [script], user: "root" });
    expect(await settledView(run.id)).toMatchObject({ ending: "exited", exitCode: 9, signal: null });
    expect((await viewOf(daemon.url, run.id)).log["stderr"]?.end).toBeGreaterThan(0);
  });

  test.skipIf(!isRoot)("is not suspected behind a SIGKILL of anybody else", async () => {
    const run = await startRun(daemon.url, { shell: "echo up; exec sleep 60" });
    await untilPrinted(daemon.url, run.id, /up/);
    process.kill(run.pid, "SIGKILL");
    expect(await settledView(run.id)).toMatchObject({ ending: "signaled", signal: "SIGKILL" });
  });
});

describe("a program that cannot be started", () => {
  test("because its directory is no directory is not even a run", async () => {
    for (const cwd of ["/no/such/place", "~ghost", "/etc/passwd"]) {
      const answer = await post(daemon.url, "/v1/run?background=1", { cmd: "true", cwd, tag: "nowhere" });
      expect([answer.status, await answer.json()]).toMatchObject([400, { code: "invalid_argument" }]);
    }
    expect(await tagged("nowhere")).toEqual([]);
  });

  test.skipIf(!isRoot)("because its directory is closed to its user says so, and stays listed", async () => {
    chmodSync(folder, 0o700);
    const tag = "closed";
    const answer = await post(daemon.url, "/v1/run?background=1", { cmd: "true", cwd: folder, user: "nobody", tag });
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: "invalid_argument" }]);
    const [run] = await tagged(tag);
    expect(await settledView(run?.id ?? "")).toMatchObject({
      ending: "spawn_failed",
      exitCode: null,
      signal: null,
      pid: null,
      detail: expect.stringMatching(/permission denied/i) as string,
      usage: { source: "clock" },
      log: {},
    });
    // No process of that tag ever was.
    expect((await stream(daemon.url, "Connect", { process: { tag } })).at(-1)).toMatchObject({
      close: { code: "not_found", message: `process with tag ${tag} not found` },
    });
  });

  test.skipIf(!isRoot)("is an error of Start's, with no event before it", async () => {
    const events = await stream(
      daemon.url,
      "Start",
      { process: { cmd: "true", cwd: "/etc/passwd" } },
      { Authorization: `Basic ${Buffer.from("root:").toString("base64")}` },
    );
    expect(events).toMatchObject([{ close: { code: "invalid_argument" } }]);
  });

  test.skipIf(!isRoot).each([
    [{}, "error starting process 'ls -l': cannot enter the working directory: permission denied"],
    [
      { pty: { size: { cols: 80, rows: 24 } } },
      "error starting pty with command 'ls -l' in dir 'FOLDER' with '80' cols and '24' rows: cannot enter the working directory: permission denied",
    ],
  ])("is told in the contract's words %#", async (more, message) => {
    chmodSync(folder, 0o700);
    const process = { cmd: "ls", args: ["-l"], cwd: folder };
    const asNobody = { Authorization: `Basic ${Buffer.from("nobody:").toString("base64")}` };
    const events = await stream(daemon.url, "Start", { process, ...more }, asNobody);
    expect(events).toEqual([{ close: { code: "invalid_argument", message: message.replace("FOLDER", folder) } }]);
  });

  test("because its arguments are too long says so, without all of them", async () => {
    const args = Array.from({ length: 40 }, () => "x".repeat(100_000));
    const answer = await post(daemon.url, "/v1/run?background=1", { cmd: "true", args, tag: "long" });
    const error = (await answer.json()) as { detail: string };
    expect([answer.status, error]).toMatchObject([400, { code: "invalid_argument" }]);
    expect(error.detail).toMatch(/^error starting process 'true x{995}…': .*argument list too long$/i);
    const [run] = await tagged("long");
    expect(await settledView(run?.id ?? "")).toMatchObject({ ending: "spawn_failed", pid: null });
  });
});

describe("a deadline of the call", () => {
  test("is the caller's error and everybody else's end", async () => {
    const script = `trap 'echo not heard' TERM; printf "%060000d" 0; echo up >&2; while :; do sleep 0.02; done`;
    const program = await begin(daemon.url, shell(script), { "Connect-Timeout-Ms": "1500" });
    const { pid } = program;
    const events = await program.rest();
    expect([endsOf(events), events.at(-1)]).toEqual([
      [],
      { close: { code: "deadline_exceeded", message: "context deadline exceeded" } },
    ]);
    expect(bytesOf(events, "stdout")).toHaveLength(60_000);
    for (let look = 0; look < LOOKS; look += 1) {
      const again = await stream(daemon.url, "Connect", { process: { pid } });
      expect([endsOf(again), again.at(-1)]).toEqual([[KILLED], { close: "ok" }]);
    }
    expect(processState(pid)).toBeUndefined();
  });

  test("so short that it passes while the program is being started ends it all the same", async () => {
    const mark = new ProcessMark();
    using _busy = keepProcessorsBusy();
    const wanted = { cmd: "sleep", args: ["60"], envs: mark.envs, timeoutMs: 1 };
    const runs = await Promise.all(Array.from({ length: 30 }, () => startRun(daemon.url, wanted)));
    try {
      await until(() => mark.holders().length === 0);
    } finally {
      mark.killHolders();
    }
    const views = await Promise.all(runs.map(({ id }) => endedView(daemon.url, id)));
    expect(new Set(views.map(({ ending, detail }) => `${ending} ${detail}`))).toEqual(new Set(["timeout wall"]));
  });
});

describe("of several reasons the first is told", () => {
  /** Exits at once; what it leaves behind goes on writing, so its output is read for a while longer. */
  const CHATTY = "(while :; do echo still here; sleep 0.01; done) & exit 4";

  test("a deadline that passes while the output of a program that has ended is still read is none", async () => {
    for (const limits of [{ timeoutMs: 800 }, { startTimeoutMs: 800, timeoutMs: 900 }]) {
      const run = await startRun(daemon.url, { shell: CHATTY, ...limits });
      const view = await settledView(run.id);
      await removeRun(daemon.url, run.id);
      expect(view).toMatchObject({ ending: "exited", exitCode: 4 });
    }
  });

  test("nor has anybody cancelled a program that has ended", async () => {
    const run = await startRun(daemon.url, { shell: CHATTY });
    await using viewer = await PtySocket.open(daemon.url, `/v1/runs/${run.id}/attach`);
    await until(() => processState(run.pid) === undefined);
    expect(await removeRun(daemon.url, run.id)).toMatchObject({ ending: "exited", survivors: [] });
    expect(await viewer.frame("end")).toMatchObject({ ending: "exited", exitCode: 4 });
  });

  test("a deadline during the grace of another is not told, nor who removes the run then", async () => {
    const script = "trap '' TERM; echo up; while :; do sleep 0.02; done";
    // Within the two seconds of that grace, if the first output comes within one.
    const run = await startRun(daemon.url, { shell: script, idleTimeoutMs: 1000, timeoutMs: 2000 });
    await using viewer = await PtySocket.open(daemon.url, `/v1/runs/${run.id}/attach`);
    await untilPrinted(daemon.url, run.id, /up/);
    expect(await viewer.frame("end")).toMatchObject({ ending: "timeout", detail: "idle", signal: "SIGKILL" });
  });

  test("a signal that ends a program before its deadline is the ending", async () => {
    const run = await startRun(daemon.url, { shell: "echo up; exec sleep 60", timeoutMs: 30_000 });
    await untilPrinted(daemon.url, run.id, /up/);
    await mustCall(daemon.url, "SendSignal", { process: { pid: run.pid }, signal: "SIGNAL_SIGTERM" });
    expect(await settledView(run.id)).toMatchObject({ ending: "signaled", signal: "SIGTERM" });
  });

  test("many that come at once still make one ending", async () => {
    for (let round = 0; round < 20; round += 1) {
      const run = await startRun(daemon.url, { shell: "sleep 0.05; exit 3", timeoutMs: 50 });
      const kills = [9, 15].map((signal) => post(daemon.url, `/v1/runs/${run.id}/signal`, { signal }));
      const watching = stream(daemon.url, "Connect", { process: { pid: run.pid } });
      const view = await settledView(run.id);
      await Promise.all(kills);
      expect(["exited", "signaled", "timeout"]).toContain(view.ending);
      expect(endsOf(await watching)).toHaveLength(1);
    }
  });
});

describe("the daemon's own end", () => {
  test("ends what runs, SIGTERM first, and leaves nothing of it", async () => {
    const own = await startTestDaemon();
    const mark = new ProcessMark();
    const words = join(tmpdir(), `guestd-last-words-${process.pid}`);
    const scripts = [
      `trap 'echo last words > ${words}; exit 2' TERM; echo up; sleep 60 & wait`,
      "trap '' TERM; echo up; while :; do sleep 0.02; done",
      "setsid sleep 61 & echo up; exec sleep 60",
      "(sleep 62 &); echo up",
    ];
    const runs = await Promise.all(scripts.map((script) => startRun(own.url, { shell: script, envs: mark.envs })));
    await Promise.all(runs.map(({ id }) => untilPrinted(own.url, id, /up/)));
    await own[Symbol.asyncDispose]();
    const left = mark.holders();
    mark.killHolders();
    expect(left).toEqual([]);
    expect(readFileSync(words, "utf8")).toBe("last words\n");
    rmSync(words);
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", async () => {
  expect((await call(daemon.url, "List", {})).text).toBe("{}");
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
