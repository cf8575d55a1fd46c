import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RunSink } from "../../../src/kernels/run-sink.ts";
import { Run } from "../../../src/runs/run.ts";
import { SpillBudget } from "../../../src/runs/spill-file.ts";

const KIB = 1024;
const UNIT = Buffer.alloc(32 * KIB, "x");
let directory = "";
let run: Run;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-sink-"));
  run = new Run({
    id: "run_1",
    config: { kind: "cell", cmd: "toy", args: [], envs: {}, cwd: "/", user: "user", tag: undefined },
    limits: { memoryBytes: 64 * KIB, diskBytes: 16 * KIB * KIB },
    budget: new SpillBudget({ directory, limitBytes: 64 * KIB * KIB }),
  });
});
afterEach(() => {
  run.dispose();
  rmSync(directory, { recursive: true });
});

test("a cell waits for a reader that is behind while it may be kept waiting", () => {
  let isPatient = true;
  const sink = new RunSink({ run, isPatient: () => isPatient, maxBytes: KIB * KIB, preface: undefined });
  using _reader = run.log.hold();
  let units = 0;
  for (; sink.hasRoom; units += 1) sink.text("stdout", UNIT);
  expect([units, run.log.isPaced, run.log.isFull]).toEqual([3, true, false]);
  isPatient = false;
  expect(sink.hasRoom).toBe(true);
});

test("a cell waits for nobody where nobody reads, and says no more than it may", async () => {
  const sink = new RunSink({ run, isPatient: () => true, maxBytes: 40 * KIB, preface: undefined });
  for (let index = 0; index < 10; index += 1) {
    sink.text("stdout", UNIT);
    expect(sink.hasRoom).toBe(true);
    await run.log.settled();
  }
  expect(run.log.ends.stdout).toBe(40 * KIB);
  const told = run.log.ends.stderr;
  sink.event({ type: "result", isMain: true, data: {} });
  sink.event({ type: "error", name: "E", value: "", traceback: "" });
  expect([run.log.ends.stderr, run.log.ends.events]).toEqual([
    told,
    JSON.stringify({ type: "error", name: "E", value: "", traceback: "" }).length,
  ]);
});

test("a cell has one error, however often its driver tells of it", () => {
  const sink = new RunSink({ run, isPatient: () => true, maxBytes: KIB, preface: undefined });
  const error = { type: "error", name: "KeyboardInterrupt", value: "", traceback: "" } as const;
  for (let times = 0; times < 2; times += 1) sink.event(error);
  expect(run.log.ends.events).toBe(JSON.stringify(error).length);
});
