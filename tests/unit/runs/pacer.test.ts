import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Pacer } from "../../../src/runs/pacer.ts";

const SOFT_WAIT_MS = 20;
const STALL_MS = 1000;

let pacer: Pacer;
let resumed = 0;

beforeEach(() => {
  vi.useFakeTimers();
  resumed = 0;
  pacer = new Pacer({ soft: 100, hard: 1000 });
  pacer.onResume = () => (resumed += 1);
});
afterEach(() => void vi.useRealTimers());

const state = (): [boolean, number] => [pacer.isPaused, resumed];

test("nobody who reads, nobody who is waited for", () => {
  pacer.produced(1_000_000);
  expect(state()).toEqual([false, 0]);
  pacer.join(0)[Symbol.dispose]();
  pacer.produced(2_000_000);
  expect(state()).toEqual([false, 0]);
});

describe("a reader that is a little behind", () => {
  test("is waited for until it has caught up by half", () => {
    const reader = pacer.join(0);
    pacer.produced(100);
    expect(pacer.isPaused).toBe(false);
    pacer.produced(101);
    expect(pacer.isPaused).toBe(true);
    reader.advance(50);
    expect(state()).toEqual([true, 0]);
    reader.advance(51);
    expect(state()).toEqual([false, 1]);
  });

  test("is waited for a moment only, and not again before it has caught up", () => {
    const reader = pacer.join(0);
    pacer.produced(200);
    vi.advanceTimersByTime(SOFT_WAIT_MS - 1);
    expect(state()).toEqual([true, 0]);
    vi.advanceTimersByTime(1);
    expect(state()).toEqual([false, 1]);
    reader.advance(60);
    pacer.produced(300);
    expect(pacer.isPaused).toBe(false);
    reader.advance(300);
    pacer.produced(401);
    expect(pacer.isPaused).toBe(true);
  });

  test("holds nothing up once it is gone", () => {
    const reader = pacer.join(0);
    pacer.produced(200);
    reader[Symbol.dispose]();
    expect(state()).toEqual([false, 1]);
    vi.advanceTimersByTime(STALL_MS);
    expect(state()).toEqual([false, 1]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a reader that is about to fall out of what is kept", () => {
  test("is waited for as long as it moves", () => {
    const reader = pacer.join(0);
    pacer.produced(2000);
    for (let position = 1; position <= 10; position += 1) {
      vi.advanceTimersByTime(STALL_MS - 1);
      reader.advance(position);
      expect(state()).toEqual([true, 0]);
    }
    reader.advance(1100);
    expect(state()).toEqual([false, 1]);
  });

  test("is not waited for any more when it takes nothing for a second, until it moves again", () => {
    const reader = pacer.join(0);
    pacer.produced(2000);
    vi.advanceTimersByTime(STALL_MS - 1);
    expect(state()).toEqual([true, 0]);
    vi.advanceTimersByTime(1);
    expect(state()).toEqual([false, 1]);
    pacer.produced(5000);
    expect(pacer.isPaused).toBe(false);
    reader.advance(10);
    pacer.produced(5001);
    expect(pacer.isPaused).toBe(true);
  });

  test("turns a short wait into one that lasts", () => {
    pacer.join(0);
    pacer.produced(200);
    pacer.produced(1001);
    vi.advanceTimersByTime(SOFT_WAIT_MS);
    expect(state()).toEqual([true, 0]);
  });
});

describe("of several readers", () => {
  test("the fastest decides", () => {
    pacer.join(0);
    const fast = pacer.join(0);
    fast.advance(5000);
    pacer.produced(5050);
    expect(pacer.isPaused).toBe(false);
    pacer.produced(5101);
    expect(pacer.isPaused).toBe(true);
    fast.advance(5101);
    expect(state()).toEqual([false, 1]);
  });

  test("the slower one is waited for when the fastest is gone", () => {
    const slow = pacer.join(0);
    const fast = pacer.join(4000);
    pacer.produced(4050);
    fast[Symbol.dispose]();
    expect(pacer.isPaused).toBe(false);
    pacer.produced(4051);
    expect(pacer.isPaused).toBe(true);
    slow.advance(4051);
    expect(state()).toEqual([false, 1]);
  });

  test("one that has stalled leaves the pace to those that move", () => {
    pacer.join(0);
    pacer.produced(2000);
    vi.advanceTimersByTime(STALL_MS);
    const live = pacer.join(2000);
    pacer.produced(2101);
    expect(state()).toEqual([true, 1]);
    live.advance(2101);
    expect(state()).toEqual([false, 2]);
  });
});
