import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { FreedMemory } from "../../../src/host/freed-memory.ts";
import { createLogger } from "../../../src/log.ts";

const MIB = 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;
const BLOCKS = 3200;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { type: "major"; execution: "sync" }) => void;

/** 200 MiB in blocks, of which some that lie between the others stay in use: all but those is free afterwards, and resident. */
function fragment(): Buffer[] {
  const blocks = Array.from({ length: BLOCKS }, (_, index) => Buffer.allocUnsafeSlow(BLOCK_BYTES).fill(index));
  return blocks.filter((_, index) => index % 64 === 63);
}

test("memory that transfers have left behind goes back to the system when they are over", async () => {
  const log = createLogger({ level: "warn", format: "json", write: (line) => expect.unreachable(line) });
  using memory = new FreedMemory({ log });
  const kept = fragment();
  collect({ type: "major", execution: "sync" });
  const before = process.memoryUsage.rss();
  memory.note(100 * MIB);
  await expect.poll(() => (before - process.memoryUsage.rss()) / MIB, { timeout: 20_000 }).toBeGreaterThan(100);
  expect(kept.length).toBe(BLOCKS / 64);
});
