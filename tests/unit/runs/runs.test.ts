import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ExecContext } from "../../../src/host/exec-context.ts";
import type { Launcher } from "../../../src/host/launcher.ts";
import { OomWatch } from "../../../src/host/oom.ts";
import { processState } from "../../../src/host/process-tree.ts";
import { RunControl } from "../../../src/processes/run-control.ts";
import { createLogger } from "../../../src/log.ts";
import { Terminals } from "../../../src/pty/terminals.ts";
import type { Run, RunConfig } from "../../../src/runs/run.ts";
import { Runs } from "../../../src/runs/runs.ts";
import { SpillBudget } from "../../../src/runs/spill-file.ts";
import { until } from "../../helpers/daemon.ts";
import { createLauncher, users } from "../host/programs.ts";

let directory = "";
let launcher: Launcher;
const lines: string[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-runs-"));
  launcher = createLauncher();
  lines.length = 0;
});
afterEach(async () => {
  await launcher[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
  expect(lines).toEqual([]);
});

function createRuns({ maxFinished = 100, maxAgeMs = 3_600_000, oom = new OomWatch({}) } = {}): Runs {
  return new Runs({
    launcher,
    oom,
    budget: new SpillBudget({ directory, limitBytes: 2 ** 26 }),
    limits: { memoryBytes: 2 ** 18, diskBytes: 2 ** 24 },
    overflow: "drop",
    retention: { maxAgeMs, maxFinished },
    log: createLogger({ level: "warn", format: "json", write: (line) => void lines.push(line) }),
  });
}

function options(script: string, tag?: string): Parameters<Runs["start"]>[0] {
  const argv = ["/bin/sh", "-c", script] as const;
  const config: RunConfig = {
    kind: "command",
    cmd: "/bin/sh",
    args: argv.slice(1),
    envs: {},
    cwd: "/",
    user: "",
    tag,
  };
  const program = { argv, env: { PATH: "/usr/bin:/bin" }, cwd: "/", identity: users.self(), hasStdin: false };
  return { config, program };
}

describe("an ending", () => {
  test("that was decided while the program was being started is carried out once it runs", async () => {
    await using runs = createRuns();
    const starting = runs.start({ ...options("sleep 60"), deadlines: { wallMs: 60_000 } });
    const [run] = runs.list();
    expect(run?.pid).toBeUndefined();
    expect(run?.decideEnding({ type: "timeout", which: "wall" })).toBe(true);
    const { ended, pid } = await starting;
    expect(await ended).toMatchObject({
      ending: { type: "timeout", which: "wall" },
      exit: { signal: "SIGKILL", coreDumped: false },
    });
    expect(processState(pid ?? 0)).toBeUndefined();
  });

  test("is decided once, and not any more when the program has ended", async () => {
    await using runs = createRuns();
    const run = await runs.start(options("sleep 60"));
    expect(run.decideEnding({ type: "cancelled", by: "one" })).toBe(true);
    expect(run.decideEnding({ type: "cancelled", by: "another" })).toBe(false);
    await runs.terminate(run, { type: "timeout", which: "idle" }, { graceMs: 0 });
    expect((await run.ended).ending).toEqual({ type: "cancelled", by: "one" });
    // Somebody else holds its pipe for a while: it has ended, its output has not.
    const quick = await runs.start(options("sleep 0.3 & exit 5"));
    await until(() => quick.child?.hasEnded ?? false);
    expect([quick.end, quick.decideEnding({ type: "cancelled", by: "late" })]).toEqual([undefined, false]);
    expect((await quick.ended).ending).toEqual({ type: "exited", code: 5 });
  });

  test("by SIGKILL is asked about, unless we sent it", async () => {
    const oom = new OomWatch({});
    const asked: number[] = [];
    oom.verdict = (pid) => {
      asked.push(pid);
      return Promise.resolve("likely");
    };
    await using runs = createRuns({ oom });
    const theirs = await runs.start(options("kill -9 $$"));
    expect((await theirs.ended).ending).toEqual({ type: "oom", certainty: "likely" });
    const ours = await runs.start(options("sleep 60"));
    await ours.signal("SIGKILL", { scope: "leader", waitMs: 1000 });
    expect((await ours.ended).ending).toEqual({ type: "signaled", signal: "SIGKILL", coreDumped: false });
    const cancelled = await runs.start(options("sleep 60"));
    await runs.terminate(cancelled, { type: "cancelled", by: "test" }, { graceMs: 0 });
    expect((await cancelled.ended).ending.type).toBe("cancelled");
    expect(asked).toEqual([theirs.pid]);
  });

  test("of all comes with the end of the daemon, and whoever waits hears of it", async () => {
    const runs = createRuns();
    const started = await Promise.all(["sleep 60", "trap '' TERM; sleep 60"].map((line) => runs.start(options(line))));
    await runs[Symbol.asyncDispose]();
    const ends = await Promise.all(started.map(({ ended }) => ended));
    expect(ends.map(({ ending }) => ending)).toEqual(
      started.map(() => ({ type: "cancelled", by: "shutdown of guestd" })),
    );
    expect(started.map(({ pid }) => processState(pid ?? 0))).toEqual([undefined, undefined]);
    expect(runs.list()).toEqual([]);
  });
});

describe("finished runs", () => {
  test("are kept up to a number, the oldest going first, with pid and tag", async () => {
    await using runs = createRuns({ maxFinished: 2 });
    const started: Run[] = [];
    for (const tag of ["a", "b", "c"]) {
      const run = await runs.start(options("exit 0", tag));
      await run.ended;
      started.push(run);
    }
    expect(runs.list()).toEqual(started.slice(1));
    expect(["a", "b", "c"].map((tag) => runs.findByTag(tag))).toEqual([undefined, ...started.slice(1)]);
    expect(runs.findByPid(started[0]?.pid ?? 0)).toBeUndefined();
    expect(() => runs.get(started[0]?.id ?? "")).toThrowError(expect.objectContaining({ reason: "run_not_found" }));
  });

  test("go by age on no clock that somebody sets", async () => {
    await using runs = createRuns({ maxAgeMs: 1500 });
    const old = await runs.start(options(":"));
    await old.ended;
    const young = await runs.start(options("sleep 0.7"));
    await young.ended;
    const tomorrow = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 86_400_000);
    try {
      await until(() => !runs.list().includes(old));
      expect(runs.list()).toEqual([young]);
    } finally {
      tomorrow.mockRestore();
    }
  });

  test("are forgotten with age", async () => {
    await using runs = createRuns({ maxAgeMs: 1 });
    await (
      await runs.start(options("exit 0"))
    ).ended;
    expect(runs.list()).toHaveLength(1);
    await until(() => runs.list().length === 0);
  });

  test("that cannot be started are kept as well, with the reason", async () => {
    await using runs = createRuns();
    const { config, program } = options("true");
    await expect(runs.start({ config, program: { ...program, cwd: "/nowhere" } })).rejects.toMatchObject({
      code: "invalid_argument",
    });
    const [run] = runs.list();
    expect([run?.end?.ending.type, run?.pid]).toEqual(["spawn_failed", undefined]);
    await expect(run?.signal("SIGTERM", { scope: "tree", waitMs: 0 })).rejects.toMatchObject({
      code: "failed_precondition",
    });
  });

  test("that are removed while they run are gone, with what they left behind", async () => {
    await using runs = createRuns();
    const run = await runs.start(options("setsid sleep 60 & sleep 60"));
    expect(await runs.remove(run, "test")).toEqual([]);
    expect([run.end?.ending, runs.list()]).toEqual([{ type: "cancelled", by: "test" }, []]);
    await run.child?.gone;
  });
});

async function freeze(): Promise<void> {
  await launcher.freezer.freeze({ maxTrees: Infinity, waitMs: 5000, signal: new AbortController().signal });
}

/** A start that waits for the thaw, and would write a line. */
function startFrozen(runs: Runs, signal?: AbortSignal): { run: Run; starting: Promise<Run> } {
  const starting = runs.start({ ...options(`echo x >> ${join(directory, "ran")}`), signal });
  starting.catch(() => undefined);
  return { run: runs.list().at(-1) as Run, starting };
}

describe("a start that waits for a thaw", () => {
  test("is over when its run is ended or forgotten", async () => {
    await using runs = createRuns();
    await freeze();
    const [ended, removed] = [startFrozen(runs), startFrozen(runs)];
    await runs.terminate(ended.run, { type: "cancelled", by: "a test" }, { graceMs: 0 });
    expect((await ended.run.ended).ending).toEqual({ type: "cancelled", by: "a test" });
    expect(await runs.remove(removed.run, "a test")).toEqual([]);
    for (const { starting } of [ended, removed]) await expect(starting).rejects.toMatchObject({ code: "canceled" });
    await launcher.freezer.thaw();
    await (
      await runs.start(options("true"))
    ).ended;
    expect(existsSync(join(directory, "ran"))).toBe(false);
  });

  test("is over when its caller has gone; one that has started lives on", async () => {
    await using runs = createRuns();
    const [early, late] = [new AbortController(), new AbortController()];
    await freeze();
    const [first, second] = [startFrozen(runs, early.signal), startFrozen(runs, late.signal)];
    early.abort();
    await expect(first.starting).rejects.toMatchObject({ code: "canceled" });
    expect((await first.run.ended).ending).toEqual({
      type: "cancelled",
      by: "its caller, who went away before it was started",
    });
    await launcher.freezer.thaw();
    await second.starting;
    late.abort();
    expect((await second.run.ended).ending).toEqual({ type: "exited", code: 0 });
    expect(readFileSync(join(directory, "ran"), "utf8")).toBe("x\n");
  });
});

test("a frozen run takes no signal that would wake it up, or that its thaw would undo", async () => {
  await using runs = createRuns();
  const { freezer } = launcher;
  const control = new RunControl({ runs, freezer });
  const terminals = new Terminals({ runs, exec: new ExecContext({ users, path: "/usr/bin:/bin" }), freezer });
  const run = await runs.start(options("sleep 60"));
  freezer.usesGroup = false;
  await freeze();
  for (const signal of ["SIGCONT", "SIGSTOP", "SIGTSTP"]) {
    const refused = { code: "failed_precondition" };
    await expect(control.signal(run, signal, { scope: "tree" })).rejects.toMatchObject(refused);
    await expect(terminals.control(run, { type: "signal", signal, scope: "tree" })).rejects.toMatchObject(refused);
  }
  expect(processState(run.pid ?? 0)).toBe("T");
  await freezer.thaw();
  expect((await control.signal(run, "SIGCONT", { scope: "tree" })).signaled).toContain(run.pid);
});
