import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LogOffsets, LogStream } from "../../../src/runs/log-block.ts";
import { RunLog } from "../../../src/runs/run-log.ts";
import { SpillBudget } from "../../../src/runs/spill-file.ts";

const KIB = 1024;
const STREAMS: readonly LogStream[] = ["stdout", "stderr", "pty", "events"];
let directory = "";
let budget: SpillBudget;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-offsets-"));
  budget = new SpillBudget({ directory, limitBytes: 64 * KIB * KIB });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function createLog(limits: { memoryBytes?: number; diskBytes?: number } = {}): RunLog {
  return new RunLog({ limits: { memoryBytes: 256 * KIB, diskBytes: 16 * KIB * KIB, ...limits }, budget });
}

/** Appends `count` pieces to changing streams; returns where each began: position of the whole log, place in each stream. */
function fill(log: RunLog, count: number, sizeOf: (index: number) => number): [number, LogOffsets][] {
  const begins: [number, LogOffsets][] = [];
  for (let index = 0; index < count; index += 1) {
    begins.push([log.position, { ...log.ends }]);
    const stream = STREAMS[(index * 7 + (index >> 3)) % STREAMS.length] as LogStream;
    log.append(stream, Buffer.alloc(sizeOf(index), index), { isUnit: index % 5 === 0 });
  }
  begins.push([log.position, { ...log.ends }]);
  return begins;
}

describe("the place in each stream that a position is", () => {
  test("is what each stream held when the log had that length", async () => {
    const log = createLog();
    for (const [position, offsets] of fill(log, 200, (index) => (index % 13) + 1)) {
      expect(await log.offsetsAt(position)).toEqual(offsets);
    }
  });

  test("is found inside of a piece as well", async () => {
    const log = createLog();
    log.append("stdout", Buffer.from("01234"));
    log.append("stderr", Buffer.from("56789"));
    const places = await Promise.all([0, 3, 5, 7, 10].map((position) => log.offsetsAt(position)));
    expect(places.map(({ stdout, stderr }) => [stdout, stderr])).toEqual([
      [0, 0],
      [3, 0],
      [5, 0],
      [5, 2],
      [5, 5],
    ]);
  });

  test("is found in blocks that are on disk, and where two meet", async () => {
    const log = createLog({ memoryBytes: 64 * KIB });
    const begins = fill(log, 60, (index) => 10_000 + index * 331);
    await log.settled();
    expect(log.diskBytes).toBeGreaterThan(256 * KIB);
    for (const [position, offsets] of begins) expect(await log.offsetsAt(position)).toEqual(offsets);
    for (let position = 64 * KIB - 1; position < log.position; position += 64 * KIB - 1) {
      const { stdout, stderr, pty, events } = await log.offsetsAt(position);
      expect(stdout + stderr + pty + events).toBe(position);
    }
  });

  test("is where reading from that position goes on", async () => {
    const log = createLog({ memoryBytes: 64 * KIB });
    fill(log, 60, (index) => 5000 + index * 97);
    await log.settled();
    for (let position = 0; position < log.position; position += 30_011) {
      const offsets = await log.offsetsAt(position);
      for await (const chunk of log.read({ from: { position }, follow: false })) {
        expect(chunk.offset).toBe(offsets[chunk.stream]);
        break;
      }
    }
  });

  test("is the end for whoever has read everything, and that does not move with the log", async () => {
    const log = createLog();
    expect(await log.offsetsAt(0)).toEqual({ stdout: 0, stderr: 0, pty: 0, events: 0 });
    log.append("pty", Buffer.from("abc"));
    const end = await log.offsetsAt(3);
    log.append("pty", Buffer.from("def"));
    expect(end).toEqual({ stdout: 0, stderr: 0, pty: 3, events: 0 });
  });

  test("is not known any more where the log is gone, nor when it was forgotten", async () => {
    const log = createLog({ memoryBytes: 64 * KIB, diskBytes: 64 * KIB });
    fill(log, 60, () => 10_000);
    await log.settled();
    expect(log.oldestPosition).toBeGreaterThan(0);
    await expect(log.offsetsAt(0)).rejects.toMatchObject({ code: "out_of_range", reason: "log_trimmed" });
    const { stdout, stderr, pty, events } = await log.offsetsAt(log.oldestPosition);
    expect({ stdout, stderr, pty, events }).toEqual({ ...log.oldest });
    log.dispose();
    await expect(log.offsetsAt(log.position - 1)).rejects.toMatchObject({ code: "not_found" });
  });
});
