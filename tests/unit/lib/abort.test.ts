import { getEventListeners, once } from "node:events";
import { spawnSync } from "node:child_process";
import { describe, expect, test, vi } from "vitest";
import { delay, limitedSignal, onAbort, withAbort, withDeadline } from "../../../src/lib/abort.ts";

const SOURCE = new URL("../../../src/lib/abort.ts", import.meta.url).href;

describe("withAbort", () => {
  test("settles as the promise does when nothing aborts, and leaves no listener behind", async () => {
    const { signal } = new AbortController();
    await expect(withAbort(Promise.resolve(7), signal)).resolves.toBe(7);
    await expect(withAbort(Promise.reject(new Error("broken")), signal)).rejects.toThrow("broken");
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("rejects with the signal's reason as soon as it aborts, and takes its listener off", async () => {
    const controller = new AbortController();
    const reason = new Error("no more");
    const waiting = withAbort(new Promise(() => undefined), controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  test("rejects at once when the signal has aborted before, even for a promise that is settled", async () => {
    await expect(withAbort(Promise.resolve(1), AbortSignal.abort("early"))).rejects.toBe("early");
  });

  test("works without a signal", async () => {
    await expect(withAbort(Promise.resolve("plain"), undefined)).resolves.toBe("plain");
  });

  test("swallows a late rejection of a promise that nobody waits for any more", async () => {
    const controller = new AbortController();
    const { promise, reject } = Promise.withResolvers<void>();
    const waiting = withAbort(promise, controller.signal);
    controller.abort("gone");
    await expect(waiting).rejects.toBe("gone");
    reject(new Error("late")); // vitest fails the run on an unhandled rejection
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe("onAbort", () => {
  test("calls the listener once, and not after it was disposed", () => {
    const controller = new AbortController();
    let calls = 0;
    const kept = onAbort(controller.signal, () => (calls += 1));
    const dropped = onAbort(controller.signal, () => (calls += 100));
    dropped[Symbol.dispose]();
    controller.abort();
    kept[Symbol.dispose]();
    expect(calls).toBe(1);
  });

  test("calls the listener at once for a signal that has aborted", () => {
    let calls = 0;
    onAbort(AbortSignal.abort(), () => (calls += 1))[Symbol.dispose]();
    expect(calls).toBe(1);
  });
});

describe("delay", () => {
  test("resolves no sooner than asked", async () => {
    const began = performance.now();
    await delay(20);
    expect(performance.now() - began).toBeGreaterThan(18);
  });

  test("rejects with the signal's reason and leaves no listener", async () => {
    const controller = new AbortController();
    const waiting = delay(60_000, controller.signal);
    controller.abort("stop");
    await expect(waiting).rejects.toBe("stop");
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  test("longer than any timer of Node's does not end at once", async () => {
    const controller = new AbortController();
    let hasEnded = false;
    const waiting = delay(2 ** 31, controller.signal).then(() => (hasEnded = true));
    await delay(30);
    controller.abort("enough");
    await waiting.catch(() => undefined);
    expect(hasEnded).toBe(false);
  });

  test("does not keep a process alive", () => {
    const script = `import { delay } from ${JSON.stringify(SOURCE)}; void delay(60_000); console.log("end");`;
    const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 50_000 });
    expect([stdout.toString(), signal]).toEqual(["end\n", null]);
  });
});

const late = (): Error => new Error("late");

describe("withDeadline", () => {
  test("settles as the promise does in time, and leaves no timer behind", async () => {
    vi.useFakeTimers();
    try {
      await expect(withDeadline(Promise.resolve(7), 10, late)).resolves.toBe(7);
      await expect(withDeadline(Promise.reject(new Error("broken")), 10, late)).rejects.toThrow("broken");
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test("rejects when the time is over; what becomes of the promise then is nobody's", async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    await expect(withDeadline(promise, 1, late)).rejects.toThrow("late");
    reject(new Error("later")); // vitest fails the run on an unhandled rejection
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe("limitedSignal", () => {
  test("aborts as the other does", () => {
    const controller = new AbortController();
    using limited = limitedSignal(controller.signal, 60_000);
    controller.abort("gone");
    expect(limited.signal.reason).toBe("gone");
  });

  test("aborts when the time is over", async () => {
    using limited = limitedSignal(new AbortController().signal, 1);
    await once(limited.signal, "abort");
    expect(limited.signal.reason).toMatchObject({ name: "TimeoutError" });
  });

  test("leaves neither timer nor listener behind", () => {
    vi.useFakeTimers();
    try {
      const { signal } = new AbortController();
      {
        using limited = limitedSignal(signal, 60_000);
        expect(limited.signal.aborted).toBe(false);
        expect(vi.getTimerCount()).toBeGreaterThan(0);
      }
      expect([getEventListeners(signal, "abort").length, vi.getTimerCount()]).toEqual([0, 0]);
    } finally {
      vi.useRealTimers();
    }
  });
});
