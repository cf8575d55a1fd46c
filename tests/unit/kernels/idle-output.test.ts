import { expect, test } from "vitest";
import { IdleOutput } from "../../../src/kernels/idle-output.ts";

test("a few bytes keep no more memory than their own, and may be changed afterwards", () => {
  const output = new IdleOutput();
  const large = Buffer.alloc(64 * 1024, "x");
  output.add("stderr", large.subarray(10, 15));
  output.add("stdout", Buffer.from("pooled"));
  large.fill("y");
  const parts = output.take();
  expect(parts.map(({ stream, bytes }) => [stream, bytes.toString()])).toEqual([
    ["stderr", "xxxxx"],
    ["stdout", "pooled"],
  ]);
  expect(parts.map(({ bytes }) => bytes.buffer.byteLength)).toEqual([5, 6]);
  expect(output.take()).toEqual([]);
});
