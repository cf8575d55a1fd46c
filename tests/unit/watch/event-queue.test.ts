import { describe, expect, test } from "vitest";
import { EventQueue } from "../../../src/watch/event-queue.ts";
import type { WatchItem } from "../../../src/watch/types.ts";

const change = (name: number): WatchItem => ({ type: "create", name: String(name) });
const names = (items: readonly WatchItem[]): string[] => items.map((item) => ("name" in item ? item.name : item.type));

function filled(count: number, maxItems: number): EventQueue {
  const queue = new EventQueue({ maxItems });
  for (let index = 0; index < count; index += 1) queue.push(change(index));
  return queue;
}

describe("a queue of events", () => {
  test("keeps the newest, and knows which cursors have lost something", () => {
    const queue = filled(10, 4);
    expect([queue.first, queue.end]).toEqual([6, 10]);
    expect([queue.has(5), queue.has(6), queue.has(10), queue.has(11), queue.has(-1)]).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(names(queue.slice(6, 2))).toEqual(["6", "7"]);
    expect(names(queue.slice(8, 100))).toEqual(["8", "9"]);
  });

  test("forgets what nobody wants, and nothing that is not there yet", () => {
    const queue = filled(5, 100);
    queue.forgetBefore(3);
    queue.forgetBefore(1);
    expect([queue.first, names(queue.slice(3, 10))]).toEqual([3, ["3", "4"]]);
    queue.forgetBefore(50);
    expect([queue.first, queue.end]).toEqual([5, 5]);
  });

  test("that was marked has lost something for every reader, also one that had everything", () => {
    const queue = filled(3, 100);
    const { end } = queue;
    queue.markLost();
    expect([queue.has(0), queue.has(end), queue.has(queue.first)]).toEqual([false, false, true]);
    queue.push(change(7));
    expect(names(queue.slice(queue.first, 10))).toEqual(["7"]);
  });

  test("holds no more than its bound however much goes through it", () => {
    const queue = filled(100_000, 10);
    expect([queue.end - queue.first, names(queue.slice(queue.first, 2))]).toEqual([10, ["99990", "99991"]]);
  });

  test("wakes who waits when something comes or is lost, and not before", async () => {
    const queue = filled(1, 10);
    const { signal } = new AbortController();
    await queue.wait(0, signal);
    const order: string[] = [];
    const waiting = queue.wait(1, signal).then(() => order.push("woken"));
    order.push("pushing");
    queue.push(change(1));
    await waiting;
    const lost = queue.wait(queue.end, signal);
    queue.markLost();
    await lost;
    expect(order).toEqual(["pushing", "woken"]);
  });

  test("lets go of who waits when the signal aborts", async () => {
    const controller = new AbortController();
    const waiting = new EventQueue({ maxItems: 1 }).wait(0, controller.signal);
    controller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
  });
});
