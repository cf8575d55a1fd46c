import { expect, test } from "vitest";
import { releaseMemory } from "../../../src/lib/release-memory.ts";

test("a buffer with memory of its own is empty afterwards", () => {
  const bytes = Buffer.allocUnsafeSlow(1000).fill("x");
  const { buffer } = bytes;
  releaseMemory(bytes);
  expect([bytes.length, buffer.byteLength]).toEqual([0, 0]);
});

test("one that shares its memory is left as it is, and so is nothing", () => {
  const whole = Buffer.allocUnsafeSlow(1000).fill("x");
  releaseMemory(whole.subarray(1));
  releaseMemory(whole.subarray(0, 999));
  const pooled = Buffer.from("a short text");
  releaseMemory(pooled);
  releaseMemory(Buffer.alloc(0));
  expect([whole.toString("latin1"), pooled.toString()]).toEqual(["x".repeat(1000), "a short text"]);
});
