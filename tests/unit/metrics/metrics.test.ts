import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Metrics } from "../../../src/metrics/metrics.ts";

const MINUTE_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** With the number of samples that it took. */
function countingMetrics(): { metrics: Metrics; samples: () => number } {
  let taken = 0;
  const metrics = new Metrics({ pids: () => ((taken += 1), [process.pid]) });
  return { metrics, samples: () => taken };
}

describe("samples", () => {
  test("are taken every five seconds while somebody asks now and then, and told as they are", async () => {
    const { metrics, samples } = countingMetrics();
    using _metrics = metrics;
    const first = await metrics.current();
    expect(await metrics.current()).toBe(first);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(samples()).toBe(5);
    await vi.waitFor(async () => expect((await metrics.current()).cpuWindowMs).toBe(5000), 20_000);
    expect((await metrics.current()).residentBytes.get(process.pid)).toBeGreaterThan(0);
  });

  test("go on for somebody who asks every five minutes, and for nobody", async () => {
    const { metrics, samples } = countingMetrics();
    using _metrics = metrics;
    for (let asked = 0; asked < 2; asked += 1) {
      await metrics.current();
      await vi.advanceTimersByTimeAsync(5 * MINUTE_MS);
      expect(vi.getTimerCount()).toBe(1);
    }
    await vi.advanceTimersByTimeAsync(2 * MINUTE_MS);
    expect(vi.getTimerCount()).toBe(0);
    const taken = samples();
    await vi.advanceTimersByTimeAsync(60 * MINUTE_MS);
    expect(samples()).toBe(taken);
  });

  test("are taken anew after a pause, and tell how long that was", async () => {
    const { metrics, samples } = countingMetrics();
    using _metrics = metrics;
    const old = await metrics.current();
    await vi.advanceTimersByTimeAsync(7 * MINUTE_MS);
    const taken = samples();
    await vi.advanceTimersByTimeAsync(53 * MINUTE_MS);
    const fresh = await metrics.current();
    expect([samples(), fresh === old]).toEqual([taken + 1, false]);
    expect(fresh.cpuWindowMs).toBeGreaterThan(50 * MINUTE_MS);
    expect(fresh.cpuUsedMs).toBeGreaterThan(old.cpuUsedMs);
    expect(vi.getTimerCount()).toBe(1);
  });

  test("that are old since this process stood still are not told", async () => {
    const { metrics, samples } = countingMetrics();
    using _metrics = metrics;
    const old = await metrics.current();
    const now = performance.now();
    using clock = vi.spyOn(performance, "now");
    clock.mockReturnValue(now + 11_000);
    const [fresh, same] = await Promise.all([metrics.current(), metrics.current()]);
    expect([samples(), fresh === old, fresh === same]).toEqual([2, false, true]);
    expect(fresh.cpuWindowMs).toBe(11_000);
  });

  test("that cannot be had are an error for each who asks, until there is one again", async () => {
    let isBroken = true;
    using metrics = new Metrics({
      pids: () => {
        if (isBroken) throw new Error("nothing can be read");
        return [];
      },
    });
    await expect(metrics.current()).rejects.toThrow("nothing can be read");
    await expect(metrics.current()).rejects.toThrow("nothing can be read");
    isBroken = false;
    await vi.advanceTimersByTimeAsync(5000);
    await vi.waitFor(async () => expect((await metrics.current()).cpuCount).toBeGreaterThan(0), 20_000);
  });
});

describe("the event loop's lag", () => {
  test("is not known before a timer has fired, nor after a pause", async () => {
    const { metrics } = countingMetrics();
    using _metrics = metrics;
    await metrics.current();
    expect(metrics.loopLagMs).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1000);
    expect(metrics.loopLagMs).toBe(0);
    await vi.advanceTimersByTimeAsync(7 * MINUTE_MS);
    await metrics.current();
    expect(metrics.loopLagMs).toBeUndefined();
  });

  test("is the worst of the last ten seconds", async () => {
    const { metrics } = countingMetrics();
    using _metrics = metrics;
    await metrics.current();
    const now = performance.now();
    const clock = vi.spyOn(performance, "now").mockReturnValue(now + 1234);
    await vi.advanceTimersToNextTimerAsync();
    clock.mockRestore();
    expect(metrics.loopLagMs).toBe(234);
    await vi.advanceTimersByTimeAsync(9000);
    expect(metrics.loopLagMs).toBe(234);
    await vi.advanceTimersByTimeAsync(1000);
    expect(metrics.loopLagMs).toBe(0);
  });
});
