import { expect, test } from "vitest";
import { setRealtime, SYSTEM_CLOCK } from "../../../src/host/libc-clock.ts";

test("a time that cannot be is refused by the kernel, whoever asks", () => {
  // The kernel looks at the time before it looks at who asks: this machine's clock cannot change here.
  for (const [seconds, nanoseconds] of [
    [0n, 1_000_000_000n],
    [-1n, 0n],
    [0n, -1n],
  ] as const)
    expect(() => setRealtime(seconds, nanoseconds)).toThrowError(expect.objectContaining({ code: "EINVAL" }));
});

test("the clock tells the time in nanoseconds", () => {
  const before = Date.now();
  const now = Number(SYSTEM_CLOCK.nowNs() / 1_000_000n);
  expect([now >= before, now <= Date.now()]).toEqual([true, true]);
});
