import { EventEmitter } from "node:events";
import { expect, test, vi } from "vitest";
import { readCall } from "../../../../src/edge/connect/call.ts";
import type { EdgeContext } from "../../../../src/edge/request-context.ts";

const header = (name: string): string | undefined => (name === "connect-timeout-ms" ? "60000" : undefined);

test("the time limit of a call ends with its answer, and keeps nothing of it", () => {
  vi.useFakeTimers();
  try {
    const outgoing = new EventEmitter();
    const request = { signal: new AbortController().signal };
    const context = { req: { header }, var: { request }, env: { outgoing } } as unknown as EdgeContext;
    const { signal } = readCall(context, "json", { ownsDeadline: false });
    expect(signal.aborted).toBe(false);
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    outgoing.emit("close");
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
