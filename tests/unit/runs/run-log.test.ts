import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LogChunk } from "../../../src/runs/log-block.ts";
import { RunLog } from "../../../src/runs/run-log.ts";
import { SpillBudget } from "../../../src/runs/spill-file.ts";

const KIB = 1024;
let directory = "";
let budget: SpillBudget;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-log-"));
  budget = new SpillBudget({ directory, limitBytes: 64 * KIB * KIB });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function createLog(limits: { memoryBytes?: number; diskBytes?: number } = {}): RunLog {
  return new RunLog({ limits: { memoryBytes: 256 * KIB, diskBytes: 16 * KIB * KIB, ...limits }, budget });
}

async function readAll(log: RunLog, options: Partial<Parameters<RunLog["read"]>[0]> = {}): Promise<LogChunk[]> {
  const chunks: LogChunk[] = [];
  for await (const chunk of log.read({ from: { position: 0 }, follow: false, ...options })) chunks.push(chunk);
  return chunks;
}

function textOf(chunks: readonly LogChunk[]): string {
  return Buffer.concat(chunks.map(({ bytes }) => bytes)).toString("latin1");
}

describe("a log in memory", () => {
  test("gives back what was appended, in order, with offsets per stream and positions over all", async () => {
    const log = createLog();
    log.append("stdout", Buffer.from("one\n"));
    log.append("stderr", Buffer.from("two\n"));
    log.append("stdout", Buffer.from("three\n"));
    const chunks = await readAll(log);
    expect(chunks.map(({ stream, offset, position, bytes }) => [stream, offset, position, bytes.toString()])).toEqual([
      ["stdout", 0, 4, "one\n"],
      ["stderr", 0, 8, "two\n"],
      ["stdout", 4, 14, "three\n"],
    ]);
  });

  test("joins neighbouring writes of one stream, but never units", async () => {
    const log = createLog();
    log.append("stdout", Buffer.from("a"));
    log.append("stdout", Buffer.from("b"));
    log.append("stdout", Buffer.from("c"), { isUnit: true });
    log.append("stdout", Buffer.from("d"), { isUnit: true });
    expect((await readAll(log)).map(({ bytes }) => bytes.toString())).toEqual(["ab", "c", "d"]);
  });

  test("tells where a unit ends that is larger than a block", async () => {
    const log = createLog();
    const unit = randomBytes(200_000);
    log.append("events", unit, { isUnit: true });
    log.append("events", Buffer.from("next"), { isUnit: true });
    const chunks = await readAll(log);
    const ends = chunks.filter(({ endsUnit }) => endsUnit);
    expect(ends).toHaveLength(2);
    const first = chunks.slice(0, chunks.indexOf(ends[0] as LogChunk) + 1);
    expect(Buffer.concat(first.map(({ bytes }) => bytes)).equals(unit)).toBe(true);
  });

  test("reads one stream from any offset, cutting inside a chunk", async () => {
    const log = createLog();
    log.append("stdout", Buffer.from("0123456789"));
    log.append("stderr", Buffer.from("xxxxx"));
    log.append("stdout", Buffer.from("abcdef"));
    const chunks = await readAll(log, { from: { offsets: { stdout: 7 } }, streams: ["stdout"] });
    expect(textOf(chunks)).toBe("789abcdef");
    expect(chunks[0]?.offset).toBe(7);
  });

  test("resumes every stream where its reader left off", async () => {
    const log = createLog();
    for (let index = 0; index < 50; index += 1)
      log.append(index % 3 === 0 ? "stderr" : "stdout", Buffer.from(`${index},`));
    const all = await readAll(log);
    const split = 20;
    const seen = { stdout: 0, stderr: 0 };
    for (const { stream, offset, bytes } of all.slice(0, split)) seen[stream as "stdout"] = offset + bytes.length;
    const rest = await readAll(log, { from: { offsets: seen } });
    expect(textOf(rest)).toBe(textOf(all.slice(split)));
  });

  test("refuses a place in the future", async () => {
    const log = createLog();
    log.append("stdout", Buffer.from("abc"));
    await expect(readAll(log, { from: { offsets: { stdout: 4 } } })).rejects.toMatchObject({
      code: "invalid_argument",
      reason: "log_future",
    });
    await expect(readAll(log, { from: { position: 4 } })).rejects.toMatchObject({ code: "invalid_argument" });
    expect(textOf(await readAll(log, { from: { position: 3 } }))).toBe("");
  });
});

describe("followers", () => {
  test("get bytes as they come and end when the log is closed", async () => {
    const log = createLog();
    log.append("stdout", Buffer.from("early "));
    const reading = readAll(log, { follow: true });
    for (let index = 0; index < 100; index += 1) {
      log.append("stdout", Buffer.from(`${index} `));
      if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    log.close();
    expect(textOf(await reading)).toBe(`early ${Array.from({ length: 100 }, (_, index) => `${index} `).join("")}`);
  });

  test("end with the reason of their signal, and nobody else notices", async () => {
    const log = createLog();
    const controller = new AbortController();
    const aborted = readAll(log, { follow: true, signal: controller.signal });
    const other = readAll(log, { follow: true });
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    log.append("stdout", Buffer.from("x"));
    log.close();
    expect(textOf(await other)).toBe("x");
  });

  test("that sleep in the middle of a read go on where they were", async () => {
    const log = createLog();
    const iterator = log.read({ from: { position: 0 }, follow: true });
    log.append("stdout", Buffer.from("a"));
    expect((await iterator.next()).value?.bytes.toString()).toBe("a");
    for (let index = 0; index < 200; index += 1) log.append("stdout", Buffer.alloc(10_000, "b"));
    log.close();
    let size = 0;
    for await (const { bytes } of iterator) size += bytes.length;
    expect(size).toBe(2_000_000);
  });

  test("end with not_found when the run is forgotten under them", async () => {
    const log = createLog();
    const reading = readAll(log, { follow: true });
    log.append("stdout", Buffer.from("x"));
    await new Promise((resolve) => setImmediate(resolve));
    log.dispose();
    await expect(reading).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("a log on disk", () => {
  test("gives back every byte, in order, however much it is", async () => {
    const log = createLog({ diskBytes: 64 * KIB * KIB });
    const written = createHash("sha256");
    for (let index = 0; index < 400; index += 1) {
      const bytes = randomBytes(1 + ((index * 7919) % 40_000));
      written.update(bytes);
      log.append(index % 5 === 0 ? "stderr" : "stdout", bytes);
      if (index % 50 === 0) await log.settled();
    }
    log.close();
    const read = createHash("sha256");
    for (const { bytes } of await readAll(log)) read.update(bytes);
    expect(read.digest("hex")).toBe(written.digest("hex"));
    expect(log.diskBytes).toBeGreaterThan(0);
    log.dispose();
    expect(budget.usedBytes).toBe(0);
  });

  test("leaves no file behind that has a name", async () => {
    const log = createLog();
    log.append("stdout", randomBytes(1_000_000));
    log.close();
    await readAll(log);
    expect(readdirSync(directory)).toEqual([]);
    log.dispose();
  });

  test("keeps the newest part within its bound and names the oldest offset to whoever asks for more", async () => {
    const log = createLog({ memoryBytes: 64 * KIB, diskBytes: 512 * KIB });
    for (let index = 0; index < 64; index += 1) {
      log.append("stdout", Buffer.alloc(64 * KIB, index));
      await log.settled();
    }
    log.close();
    await log.settled();
    const { oldest } = log;
    expect(oldest.stdout).toBeGreaterThan(2 * KIB * KIB);
    await expect(readAll(log, { from: { offsets: { stdout: 0 } } })).rejects.toMatchObject({
      code: "out_of_range",
      message: expect.stringContaining(String(oldest.stdout)),
    });
    const kept = await readAll(log, { from: { offsets: { stdout: oldest.stdout } } });
    expect(kept.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(64 * 64 * KIB - oldest.stdout);
    expect(kept.at(-1)?.bytes.at(-1)).toBe(63);
    log.dispose();
  });

  test("tells a reader that fell behind, and only that one", async () => {
    const log = createLog({ memoryBytes: 64 * KIB, diskBytes: 256 * KIB });
    const slow = log.read({ from: { position: 0 }, follow: true });
    log.append("stdout", Buffer.alloc(1000));
    await slow.next();
    const quick = readAll(log, { from: { position: 0 }, follow: true });
    for (let index = 0; index < 40; index += 1) {
      log.append("stdout", Buffer.alloc(64 * KIB));
      await log.settled();
    }
    log.close();
    expect((await quick).reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(1000 + 40 * 64 * KIB);
    const lag = (async () => {
      for await (const _chunk of slow) continue;
    })();
    await expect(lag).rejects.toMatchObject({ code: "out_of_range", reason: "log_trimmed" });
    log.dispose();
  });

  test("keeps what a left-over child writes after the end", async () => {
    const log = createLog();
    log.append("stdout", Buffer.alloc(300_000, "a"));
    log.close();
    log.append("stdout", Buffer.from("late"));
    await log.settled();
    log.append("stdout", Buffer.from("r"));
    expect(textOf(await readAll(log, { from: { offsets: { stdout: 300_000 } } }))).toBe("later");
    log.dispose();
  });
});

describe("without room on disk", () => {
  test("a log keeps its newest part in memory and says what is gone", async () => {
    budget = new SpillBudget({ directory, limitBytes: 0 });
    const log = createLog({ memoryBytes: 128 * KIB });
    for (let index = 0; index < 20; index += 1) {
      log.append("stdout", Buffer.alloc(64 * KIB, index));
      await log.settled();
    }
    expect(log.oldest.stdout).toBeGreaterThan(0);
    await expect(readAll(log, { from: { position: 0 } })).rejects.toMatchObject({ code: "out_of_range" });
    expect((await readAll(log, { from: { offsets: { stdout: log.oldest.stdout } } })).at(-1)?.bytes.at(-1)).toBe(19);
  });

  test("a directory that cannot be written is the same as none", async () => {
    budget = new SpillBudget({ directory: "/proc/nowhere", limitBytes: 64 * KIB * KIB });
    const log = createLog({ memoryBytes: 64 * KIB });
    for (let index = 0; index < 10; index += 1) {
      log.append("stdout", Buffer.alloc(64 * KIB, index));
      await log.settled();
    }
    log.close();
    expect((await readAll(log, { from: { offsets: { stdout: log.oldest.stdout } } })).at(-1)?.bytes.at(-1)).toBe(9);
  });

  test("the budget is given back by whoever can spare it", () => {
    const small = new SpillBudget({ directory, limitBytes: 100 });
    let freed = 0;
    small.onPressure = () => {
      if (freed === 2) return false;
      freed += 1;
      small.release(40);
      return true;
    };
    expect(small.reserve(100)).toBe(true);
    expect(small.reserve(60)).toBe(true);
    expect(freed).toBe(2);
    expect(small.reserve(90)).toBe(false);
  });
});
