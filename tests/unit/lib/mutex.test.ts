import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Mutex } from "../../../src/lib/mutex.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("admits one at a time in the order of asking", async () => {
  const mutex = new Mutex();
  const order: string[] = [];
  const work = async (name: string): Promise<void> => {
    using _lock = await mutex.lock();
    order.push(`${name} in`);
    await turn();
    order.push(`${name} out`);
  };
  await Promise.all([work("a"), work("b"), work("c")]);
  expect(order).toEqual(["a in", "a out", "b in", "b out", "c in", "c out"]);
});

test("counts who waits or holds", async () => {
  const mutex = new Mutex();
  const first = await mutex.lock();
  const second = mutex.lock();
  expect(mutex.size).toBe(2);
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  expect(mutex.size).toBe(0);
});

test("whoever aborts in the queue gives up the place, and nobody overtakes", async () => {
  const mutex = new Mutex();
  const holder = await mutex.lock();
  const controller = new AbortController();
  const leaving = mutex.lock(controller.signal);
  let isThirdIn = false;
  const third = mutex.lock().then((lock) => {
    isThirdIn = true;
    return lock;
  });
  controller.abort(new Error("left"));
  await expect(leaving).rejects.toThrow("left");
  await turn();
  expect([isThirdIn, mutex.size]).toEqual([false, 2]);
  holder[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  expect([isThirdIn, mutex.size]).toEqual([true, 0]);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

test("a signal that has aborted takes no place", async () => {
  const mutex = new Mutex();
  await expect(mutex.lock(AbortSignal.abort("late"))).rejects.toBe("late");
  expect(mutex.size).toBe(0);
  (await mutex.lock())[Symbol.dispose]();
});

test("aborting after the lock was had changes nothing", async () => {
  const mutex = new Mutex();
  const controller = new AbortController();
  const held = await mutex.lock(controller.signal);
  controller.abort();
  let isSecondIn = false;
  const second = mutex.lock().then((lock) => {
    isSecondIn = true;
    return lock;
  });
  await turn();
  expect(isSecondIn).toBe(false);
  held[Symbol.dispose]();
  (await second)[Symbol.dispose]();
});

test("disposing twice lets only one in", async () => {
  const mutex = new Mutex();
  const first = await mutex.lock();
  const second = mutex.lock();
  let isThirdIn = false;
  const third = mutex.lock().then((lock) => {
    isThirdIn = true;
    return lock;
  });
  first[Symbol.dispose]();
  const held = await second;
  first[Symbol.dispose]();
  await turn();
  expect([isThirdIn, mutex.size]).toEqual([false, 2]);
  held[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  expect(mutex.size).toBe(0);
});

test("an exception inside the lock gives it back", async () => {
  const mutex = new Mutex();
  const failing = (async () => {
    using _lock = await mutex.lock();
    throw new Error("inside");
  })();
  await expect(failing).rejects.toThrow("inside");
  (await mutex.lock())[Symbol.dispose]();
});
