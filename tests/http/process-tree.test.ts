import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { childrenOf, isRunning, processState } from "../../src/host/process-tree.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { ProcessMark } from "../helpers/marked-processes.ts";
import {
  endedView,
  outputOf,
  parentOf,
  post,
  removeRun,
  type RunView,
  signalRun,
  startRun,
  untilPrinted,
} from "../helpers/native-runs.ts";
import { mustCall } from "../helpers/process-calls.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(() => daemon[Symbol.asyncDispose]());

let mark = new ProcessMark();
beforeEach(() => void (mark = new ProcessMark()));

/** Nothing of a test may be left: neither what it has started nor a zombie of it. */
afterEach(async () => {
  for (const { id } of await allRuns()) await removeRun(daemon.url, id);
  const left = mark.holders();
  mark.killHolders();
  expect(left).toEqual([]);
  await until(() => childrenOf(process.pid).every((pid) => processState(pid) !== "Z"));
});

async function allRuns(): Promise<RunView[]> {
  const answer = (await (await fetch(`${daemon.url}/v1/runs`)).json()) as { runs: RunView[] };
  return answer.runs;
}

const gone = (pids: readonly number[]): (string | undefined)[] => pids.map(processState).filter(Boolean);
const sorted = (pids: readonly number[]): number[] => pids.toSorted((a, b) => a - b);

/**
 * Ways to get away from a program: each is a piece of a `bash` script that leaves one process behind whose number is in $pid.
 * They are where they want to be when the script has printed all numbers.
 */
const WAYS: Record<string, { script: string; isInGroup: boolean }> = {
  "a fork": { script: "sleep 60 & pid=$!", isInGroup: true },
  "a double fork": { script: "pid=$( (sleep 60 >/dev/null 2>&1 & echo $!) )", isInGroup: true },
  setsid: { script: "setsid sleep 60 & pid=$!; until_leader $pid", isInGroup: false },
  "setsid and a double fork": {
    script: "pid=$(setsid bash -c 'sleep 60 >/dev/null 2>&1 & echo $!')",
    isInGroup: false,
  },
  nohup: { script: "nohup sleep 60 >/dev/null 2>&1 & pid=$!", isInGroup: true },
  "a job of its own group": { script: "set -m; sleep 60 & pid=$!; set +m; until_leader $pid", isInGroup: false },
  "a daemon that closes everything": {
    script: `pid=$(python3 -c '
import os, sys
if os.fork() == 0:
    os.setsid()
    child = os.fork()
    if child == 0:
        os.closerange(0, 256); os.chdir("/"); os.umask(0)
        os.execvp("sleep", ["sleep", "60"])
    print(child, flush=True)
os._exit(0)')`,
    isInGroup: false,
  },
};
const NAMES = Object.keys(WAYS);

/** The group of a process comes last before its session in /proc/pid/stat: 5th of all. */
const UNTIL_LEADER = `until_leader() { until [ "$(cut -d' ' -f5 /proc/$1/stat)" = $1 ]; do :; done; }`;

interface Family {
  run: RunView;
  /** In the order of `WAYS`. */
  members: number[];
}

/** A program with a child for each of the ways. */
async function startFamily(ways: readonly string[], end: string, more: object = {}): Promise<Family> {
  const script = [UNTIL_LEADER, ...ways.map((name) => `${WAYS[name]?.script}\nall="$all $pid"`), "echo $all.", end];
  const body = { cmd: "bash", args: ["-c", script.join("\n")], envs: mark.envs, ...more };
  const run = await startRun(daemon.url, body);
  const [, numbers = ""] = await untilPrinted(daemon.url, run.id, /^([\d ]+)\.\n/);
  const members = numbers.split(" ").map(Number);
  // A child has its parent's memory and so its variables until it is a program of its own.
  await until(() => members.every((pid) => processState(pid) === "S"), 60_000);
  return { run, members };
}

const LIVE_ON = "wait; sleep 60";

const killOf = ({ pid }: RunView): object => ({ process: { pid }, signal: "SIGNAL_SIGKILL" });

describe.each(NAMES)("by %s", (name) => {
  test("nothing gets away from a kill of the tree", async () => {
    const { run, members } = await startFamily([name], LIVE_ON);
    const report = await signalRun(daemon.url, run.id, { signal: "SIGKILL", scope: "tree" });
    expect(sorted(report.signaled)).toEqual(sorted([run.pid, ...members]));
    expect([report.survivors, gone([run.pid, ...members]), mark.holders()]).toEqual([[], [], []]);
  });

  test("SendSignal reaches it as the contract says: with the group, or as a descendant", async () => {
    const plain = await startFamily([name], LIVE_ON);
    await mustCall(daemon.url, "SendSignal", killOf(plain.run));
    expect(processState(plain.run.pid)).toBeUndefined();
    expect(plain.members.map(isRunning)).toEqual([!WAYS[name]?.isInGroup]);
    const whole = await startFamily([name], LIVE_ON);
    await mustCall(daemon.url, "SendSignal", { ...killOf(whole.run), descendants: true });
    expect(gone([whole.run.pid, ...whole.members])).toEqual([]);
  });

  test("nothing is left after the run was removed, be it that the program has long ended", async () => {
    const { run, members } = await startFamily([name], "exit 3");
    expect((await endedView(daemon.url, run.id)).exitCode).toBe(3);
    expect(members.map(isRunning)).toEqual([true]);
    expect((await removeRun(daemon.url, run.id)).survivors).toEqual([]);
    expect([gone(members), mark.holders()]).toEqual([[], []]);
  });
});

describe("all of them at once", () => {
  test("a signal for the leader alone leaves exactly the others", async () => {
    const { run, members } = await startFamily(NAMES, LIVE_ON);
    const report = await signalRun(daemon.url, run.id, { signal: "SIGKILL", scope: "leader" });
    expect(report).toEqual({ signaled: [run.pid], survivors: [] });
    expect(await endedView(daemon.url, run.id)).toMatchObject({ ending: "signaled", signal: "SIGKILL" });
    expect(sorted(mark.holders())).toEqual(sorted(members));
  });

  test("a signal for the group leaves exactly those who left it", async () => {
    const { run, members } = await startFamily(NAMES, LIVE_ON);
    await signalRun(daemon.url, run.id, { signal: "SIGKILL", scope: "group" });
    const escaped = members.filter((_pid, index) => !WAYS[NAMES[index] ?? ""]?.isInGroup);
    expect(sorted(mark.holders())).toEqual(sorted(escaped));
    const rest = await signalRun(daemon.url, run.id, { signal: "SIGKILL", scope: "tree" });
    expect(sorted(rest.signaled)).toEqual(sorted(escaped));
    expect(mark.holders()).toEqual([]);
  });

  test("a deadline leaves none", async () => {
    const { run, members } = await startFamily(NAMES, LIVE_ON, { timeoutMs: 4000 });
    expect(await endedView(daemon.url, run.id)).toMatchObject({ ending: "timeout", detail: "wall" });
    await until(() => mark.holders().length === 0);
    expect(gone(members)).toEqual([]);
  });

  test("who ignores a signal is told as a survivor, and nobody else", async () => {
    const script = `
      sleep 60 & victim=$!
      sh -c 'trap "" TERM; echo deaf; while :; do sleep 0.02; done' & deaf=$!
      setsid sh -c 'trap "" TERM; echo deaf; while :; do sleep 0.02; done' & far=$!
      echo $$ $victim $deaf $far.; trap : TERM; while :; do wait; done`;
    const run = await startRun(daemon.url, { cmd: "bash", args: ["-c", script], envs: mark.envs });
    const { url } = daemon;
    await untilPrinted(url, run.id, /(deaf[^]*){2}/);
    const [, ...words] = await untilPrinted(url, run.id, /(\d+) (\d+) (\d+) (\d+)\./);
    const [leader = 0, victim = 0, deaf = 0, far = 0] = words.map(Number);
    const report = await signalRun(url, run.id, { signal: "SIGTERM", scope: "tree", waitMs: 500 });
    const stable = report.survivors.filter((pid) => [leader, victim, deaf, far].includes(pid));
    expect(sorted(stable)).toEqual(sorted([leader, deaf, far]));
    expect(report.signaled).toEqual(expect.arrayContaining([leader, victim, deaf, far]));
    expect(processState(victim)).toBeUndefined();
  });

  test("a signal for a scope in which nobody is left is not_found", async () => {
    const { run } = await startFamily(["setsid"], "exit 0");
    await endedView(daemon.url, run.id);
    const send = (scope: string): Promise<Response> =>
      post(daemon.url, `/v1/runs/${run.id}/signal`, { signal: "SIGKILL", scope });
    expect([(await send("leader")).status, (await send("group")).status]).toEqual([404, 404]);
    expect((await send("tree")).status).toBe(200);
    expect((await send("tree")).status).toBe(404);
  });
});

/** Forks and ends, for ever: its number is another one at every look. Nothing of it outlives its time, whoever fails. */
const CHAIN = `
import os, time
end = time.monotonic() + 20
if os.fork():
    print("up", flush=True)
    time.sleep(30)
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    os.setsid()
`;

async function startChain(more: object = {}): Promise<RunView> {
  const run = await startRun(daemon.url, { cmd: "python3", args: ["-c", CHAIN], envs: mark.envs, ...more });
  await untilPrinted(daemon.url, run.id, /up/);
  return run;
}

describe("a chain that forks and ends endlessly, each link in a session of its own", () => {
  test("ends when its run is removed", async () => {
    for (let round = 0; round < 5; round += 1) {
      const run = await startChain();
      expect((await removeRun(daemon.url, run.id)).survivors).toEqual([]);
      expect(mark.holders()).toEqual([]);
    }
  });

  test("ends at a deadline", async () => {
    const run = await startChain({ timeoutMs: 2000 });
    const shim = parentOf(run.pid);
    expect(await endedView(daemon.url, run.id)).toMatchObject({ ending: "timeout", detail: "wall" });
    await until(() => processState(shim) === undefined);
    expect(mark.holders()).toEqual([]);
  });

  test("ends by SIGKILL for the tree, by either name", async () => {
    for (let round = 0; round < 5; round += 1) {
      const run = await startChain();
      const report = await signalRun(daemon.url, run.id, { signal: "SIGKILL", scope: "tree" });
      expect([report.survivors, mark.holders()]).toEqual([[], []]);
      const other = await startChain();
      await mustCall(daemon.url, "SendSignal", { ...killOf(other), descendants: true });
      expect(mark.holders()).toEqual([]);
    }
  });
});

describe("two hundred at once", () => {
  const INDICES = Array.from({ length: 200 }, (_, index) => index);

  test("each get their own status, not that of an orphan that ends in the same moment", async () => {
    const script = "(setsid sh -c 'sleep 0.0$0; exit 99' $1 &); (exit 98) & exit $2";
    const ends = INDICES.map(async (index) => {
      const args = ["-c", script, "sh", String(index % 10), String(index)];
      const run = await startRun(daemon.url, { cmd: "sh", args, envs: mark.envs });
      return (await endedView(daemon.url, run.id)).exitCode;
    });
    expect(await Promise.all(ends)).toEqual(INDICES);
    await until(() => mark.holders().length === 0, 60_000);
  }, 120_000);

  test("are killed with all that got away from them", async () => {
    const ways = ["a fork", "setsid", "setsid and a double fork"];
    const families = await Promise.all(INDICES.map(() => startFamily(ways, "wait")));
    const outcomes = await Promise.all(
      families.map(async ({ run }, index) => {
        if (index % 2 === 0) return (await removeRun(daemon.url, run.id)).survivors;
        return (await signalRun(daemon.url, run.id, { signal: "SIGKILL", scope: "tree", waitMs: 10_000 })).survivors;
      }),
    );
    expect(outcomes.flat()).toEqual([]);
    expect(families.flatMap(({ run, members }) => gone([run.pid, ...members]))).toEqual([]);
  }, 120_000);
});

test("what a program leaves behind keeps its output, and is named", async () => {
  const run = await startRun(daemon.url, { shell: "(sleep 0.4; echo late) & echo early", envs: mark.envs });
  const { pipesHeldBy } = await endedView(daemon.url, run.id);
  expect(pipesHeldBy?.length).toBeGreaterThan(0);
  await until(async () => (await outputOf(daemon.url, run.id)) === "early\nlate\n");
});
