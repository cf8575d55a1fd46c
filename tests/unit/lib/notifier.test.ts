import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Notifier } from "../../../src/lib/notifier.ts";

test("wakes everybody who waits, once", async () => {
  const notifier = new Notifier();
  const woken: number[] = [];
  const waiting = [1, 2, 3].map(async (number) => {
    await notifier.wait();
    woken.push(number);
  });
  notifier.notify();
  await Promise.all(waiting);
  expect(woken).toEqual([1, 2, 3]);
});

test("a notification that nobody waits for is not kept for later", async () => {
  const notifier = new Notifier();
  notifier.notify();
  let isWoken = false;
  const waiting = notifier.wait().then(() => (isWoken = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isWoken).toBe(false);
  notifier.notify();
  await waiting;
});

test("a waiter that looks again after waking never misses a change", async () => {
  const notifier = new Notifier();
  const shared = { value: 0 };
  const seen = [0];
  const reader = (async () => {
    while (shared.value < 100 || seen.at(-1) !== 100) {
      if (seen.at(-1) === shared.value) await notifier.wait();
      else seen.push(shared.value);
    }
  })();
  for (let next = 1; next <= 100; next += 1) {
    shared.value = next;
    notifier.notify();
    if (next % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await reader;
  expect(seen.at(-1)).toBe(100);
});

test("a waiter whose signal aborts leaves the others waiting", async () => {
  const notifier = new Notifier();
  const controller = new AbortController();
  const leaving = notifier.wait(controller.signal);
  const staying = notifier.wait();
  controller.abort("bored");
  await expect(leaving).rejects.toBe("bored");
  notifier.notify();
  await expect(staying).resolves.toBeUndefined();
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

test("waiting on a signal that has aborted rejects at once", async () => {
  await expect(new Notifier().wait(AbortSignal.abort("over"))).rejects.toBe("over");
});
