import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AwakeClock } from "../../../src/lib/awake-clock.ts";

const SOURCE = new URL("../../../src/lib/awake-clock.ts", import.meta.url).href;

/** As a stopped process finds the time when it goes on: no timer has run, all are overdue. */
function stopFor(ms: number): void {
  const now = performance.now.bind(performance);
  const stoppedAt = performance.now();
  const goesOn = vi.spyOn(performance, "now").mockReturnValue(stoppedAt + ms);
  vi.runOnlyPendingTimers();
  goesOn.mockRestore();
  const offsetMs = stoppedAt + ms - now();
  vi.spyOn(performance, "now").mockImplementation(() => now() + offsetMs);
}

describe("while it is as time goes by", () => {
  let busyMs = 0;
  let clock: AwakeClock;

  beforeEach(() => {
    vi.useFakeTimers();
    busyMs = 0;
    clock = new AwakeClock(() => busyMs);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  test("a timer calls back once, exactly when it is due", () => {
    const callback = vi.fn();
    clock.timeout(callback, 5000);
    vi.advanceTimersByTime(4999);
    expect(callback).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(1);
    vi.advanceTimersByTime(60_000);
    expect(callback).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("time in which the process was stopped does not count", () => {
    const callback = vi.fn();
    clock.timeout(callback, 5000);
    vi.advanceTimersByTime(2000);
    const before = clock.now();
    stopFor(10_000);
    expect(callback).toHaveBeenCalledTimes(0);
    expect(clock.now() - before).toBeLessThanOrEqual(250);
    vi.advanceTimersByTime(2750);
    expect(callback).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(600);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("each of several stops is left out", () => {
    const callback = vi.fn();
    clock.timeout(callback, 5000);
    for (let round = 0; round < 4; round += 1) {
      vi.advanceTimersByTime(1000);
      stopFor(7000);
    }
    expect(callback).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(2500);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("time in which it computed, or waited for a processor, counts", () => {
    const callback = vi.fn();
    clock.timeout(callback, 5000);
    vi.advanceTimersByTime(2000);
    busyMs += 10_000;
    stopFor(10_000);
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("a stop that is too short to be seen is left out when the process is told that it goes on", () => {
    const callback = vi.fn();
    clock.timeout(callback, 160_000);
    vi.advanceTimersByTime(1000);
    const before = clock.now();
    stopFor(0);
    vi.advanceTimersByTime(3000);
    clock.noteContinued();
    expect(clock.now() - before).toBeLessThan(500);
  });

  test("nothing wakes up when no timer waits, and little does for one that waits long", () => {
    clock.now();
    expect(vi.getTimerCount()).toBe(0);
    const timer = clock.timeout(() => undefined, 3_600_000);
    expect(vi.getTimerCount()).toBe(2);
    let looks = 0;
    const original = clock.now.bind(clock);
    vi.spyOn(clock, "now").mockImplementation(() => {
      looks += 1;
      return original();
    });
    vi.advanceTimersByTime(3_000_000);
    expect(looks).toBeLessThan(60);
    timer[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});

const CHILD = `
  import { AwakeClock } from ${JSON.stringify(SOURCE)};
  const clock = new AwakeClock();
  process.on("SIGCONT", () => clock.noteContinued());
  const keepAlive = setInterval(() => {}, 60_000);
  const beganAt = performance.now();
  clock.timeout(() => {
    clearInterval(keepAlive);
    console.log(JSON.stringify({ realMs: performance.now() - beganAt }));
  }, 1500);
  console.log("waiting");
`;

test("a real process that is stopped for longer than its timer takes still has the rest of it", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("waiting");
  child.kill("SIGSTOP");
  const stoppedAt = performance.now();
  // Another process is what tells that the time is over: ours may be as stopped as that one on a busy machine.
  await once(spawn("sleep", ["2"]), "exit");
  const stoppedMs = performance.now() - stoppedAt;
  child.kill("SIGCONT");
  const { realMs } = JSON.parse((await lines.next()).value as string) as { realMs: number };
  expect(realMs).toBeGreaterThanOrEqual(1500 + stoppedMs - 500);
});
