import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProgramClock } from "../../../src/lib/program-clock.ts";
import { type DeadlineLimits, Deadlines } from "../../../src/runs/deadlines.ts";
import type { DeadlineKind } from "../../../src/runs/ending.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** Deadlines, and which of them passed so far. */
function watch(limits: DeadlineLimits): { deadlines: Deadlines; passed: DeadlineKind[] } {
  const passed: DeadlineKind[] = [];
  return { deadlines: new Deadlines(limits, new ProgramClock(), (which) => passed.push(which)), passed };
}

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);
const DAY_MS = 24 * 3_600_000;

describe("the limit on the whole time", () => {
  test("passes once, whatever is printed", () => {
    const { deadlines, passed } = watch({ wallMs: 100 });
    for (let index = 0; index < 9; index += 1) {
      pass(11);
      deadlines.noteOutput();
    }
    expect(passed).toEqual([]);
    pass(1);
    pass(1000);
    expect(passed).toEqual(["wall"]);
  });

  test("may be longer than a timer of Node's can be", () => {
    const { passed } = watch({ wallMs: 60 * DAY_MS });
    pass(60 * DAY_MS - 1);
    expect(passed).toEqual([]);
    pass(1);
    expect(passed).toEqual(["wall"]);
  });
});

describe("the limit on silence", () => {
  test("begins anew with each output", () => {
    const { deadlines, passed } = watch({ idleMs: 100 });
    for (const silence of [99, 1, 50, 99, 0, 99]) {
      pass(silence);
      deadlines.noteOutput();
    }
    expect(passed).toEqual([]);
    pass(99);
    expect(passed).toEqual([]);
    pass(1);
    pass(1000);
    expect(passed).toEqual(["idle"]);
  });

  test("counts from the start for a program that prints nothing", () => {
    const { passed } = watch({ idleMs: 100 });
    pass(100);
    expect(passed).toEqual(["idle"]);
  });

  test("needs one timer at a time, however long a program goes on printing", () => {
    const { deadlines, passed } = watch({ idleMs: 10 });
    for (let index = 0; index < 10_000; index += 1) {
      pass(7);
      deadlines.noteOutput();
      expect(vi.getTimerCount()).toBe(1);
    }
    expect(passed).toEqual([]);
  });
});

describe("the limit on the first output", () => {
  test("passes when there is none by then", () => {
    const { deadlines, passed } = watch({ startMs: 100 });
    pass(100);
    deadlines.noteOutput();
    expect(passed).toEqual(["start"]);
  });

  test("does not pass after any output, nor later in silence", () => {
    const { deadlines, passed } = watch({ startMs: 100 });
    pass(99);
    deadlines.noteOutput();
    pass(10_000);
    expect(passed).toEqual([]);
  });
});

describe("several limits", () => {
  test.each<[DeadlineLimits, DeadlineKind]>([
    [{ wallMs: 300, idleMs: 200, startMs: 100 }, "start"],
    [{ wallMs: 300, idleMs: 100, startMs: 200 }, "idle"],
    [{ wallMs: 100, idleMs: 200, startMs: 300 }, "wall"],
  ])("%j: only the first that passes is told: %s", (limits, first) => {
    const { passed } = watch(limits);
    pass(DAY_MS);
    expect(passed).toEqual([first]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("each go on when another is no longer of interest", () => {
    const { deadlines, passed } = watch({ wallMs: 1000, idleMs: 500, startMs: 100 });
    pass(50);
    deadlines.noteOutput();
    pass(499);
    deadlines.noteOutput();
    pass(451);
    expect(passed).toEqual(["wall"]);
  });

  test("none at all need no timer", () => {
    const { deadlines } = watch({ wallMs: undefined, idleMs: undefined, startMs: undefined });
    deadlines.noteOutput();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("what is disposed tells nothing more and leaves no timer, also when output comes afterwards", () => {
  const { deadlines, passed } = watch({ wallMs: 100, idleMs: 100, startMs: 100 });
  pass(99);
  deadlines[Symbol.dispose]();
  deadlines[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
  deadlines.noteOutput();
  pass(DAY_MS);
  expect(passed).toEqual([]);
});

test("what is disposed while it tells stays so", () => {
  const passed: DeadlineKind[] = [];
  const deadlines = new Deadlines({ wallMs: 100, idleMs: 100 }, new ProgramClock(), (which) => {
    passed.push(which);
    deadlines[Symbol.dispose]();
  });
  pass(DAY_MS);
  expect(passed).toEqual(["wall"]);
});
