import { spawnSync } from "node:child_process";
import { appendFileSync, closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir, uptime } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OomWatch } from "../../../src/host/oom.ts";
import { openDescriptors } from "./programs.ts";
import { until } from "../../helpers/daemon.ts";

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "guestd-oom-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const WALL_MS = 1000;
const PID = 4711;

/** A record as /dev/kmsg gives it; priority 3 is an error of the kernel's. */
function record(pid: number, { agoS = 0, priority = 3 } = {}): string {
  const microseconds = Math.round((uptime() - agoS) * 1e6);
  return `${priority},339,${microseconds},-;Memory cgroup out of memory: Killed process ${pid} (python3 (x)) total-vm:120kB\n`;
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("the kernel's log", () => {
  test("that names the process makes it certain", async () => {
    const logPath = file("log", `6,1,0,-;Linux version\n SUBSYSTEM=cpu\n${record(PID)}6,2,9,-;later\n`);
    await using watch = new OomWatch({ logPath });
    expect(await watch.verdict(PID, undefined, WALL_MS)).toBe("certain");
    expect(await watch.verdict(PID + 1, undefined, WALL_MS)).toBeUndefined();
  });

  test("is read on from where it was read to", async () => {
    const logPath = file("log", record(1));
    await using watch = new OomWatch({ logPath });
    await watch.prime();
    expect(await watch.verdict(PID, undefined, WALL_MS)).toBeUndefined();
    appendFileSync(logPath, record(PID));
    expect(await watch.verdict(PID, undefined, WALL_MS)).toBe("certain");
    expect(await watch.verdict(1, undefined, WALL_MS)).toBe("certain");
  });

  test.each([
    ["a record of a program's (facility user)", record(PID, { priority: 11 })],
    ["one from before the program's start: another process had its number", record(PID, { agoS: 60 })],
    ["one of a process whose number only begins so", record(PID * 10)],
    ["one that only talks about it", `6,1,${Math.round(uptime() * 1e6)},-;will not kill process ${PID} (x)\n`],
    ["no record at all", `Killed process ${PID} (x)\n`],
  ])("is no evidence by %s", async (_what, text) => {
    await using watch = new OomWatch({ logPath: file("log", text) });
    expect(await watch.verdict(PID, undefined, WALL_MS)).toBeUndefined();
  });

  test("tells of a number that was killed twice when that was last", async () => {
    const logPath = file("log", record(PID, { agoS: 3600 }) + record(PID));
    await using watch = new OomWatch({ logPath });
    expect(await watch.verdict(PID, undefined, WALL_MS)).toBe("certain");
  });

  test("that has nothing more to say for now does not hold up the verdict", async () => {
    const logPath = join(folder, "fifo");
    spawnSync("mkfifo", [logPath]);
    const writer = openSync(logPath, constants.O_RDWR | constants.O_NONBLOCK);
    await using watch = new OomWatch({ logPath });
    expect(await watch.verdict(PID, undefined, WALL_MS)).toBeUndefined();
    writeSync(writer, record(PID));
    const verdicts = [1, 2, 3].map(() => watch.verdict(PID, undefined, WALL_MS));
    expect(await Promise.all(verdicts)).toEqual(["certain", "certain", "certain"]);
    closeSync(writer);
  });

  test("that cannot be read leaves the counter", async () => {
    const counterFile = file("events", "oom_kill 1\n");
    await using watch = new OomWatch({ counterFile, logPath: join(folder, "none") });
    expect(await watch.verdict(PID, 0, WALL_MS)).toBe("likely");
  });

  test("is not remembered for ever", async () => {
    const logPath = join(folder, "fifo");
    spawnSync("mkfifo", [logPath]);
    const writer = openSync(logPath, constants.O_RDWR | constants.O_NONBLOCK);
    await using watch = new OomWatch({ logPath });
    for (let first = 1; first <= 1001; first += 13) {
      // Few enough at once to come in one piece, as each record of the kernel's does.
      const pids = Array.from({ length: Math.min(13, 1002 - first) }, (_, index) => first + index);
      writeSync(writer, pids.map((pid) => record(pid)).join(""));
      await watch.prime();
    }
    expect(await watch.verdict(1, undefined, WALL_MS)).toBeUndefined();
    expect(await watch.verdict(2, undefined, WALL_MS)).toBe("certain");
    expect(await watch.verdict(1001, undefined, WALL_MS)).toBe("certain");
    closeSync(writer);
  });

  test("is closed when the watch is", async () => {
    const before = openDescriptors();
    const watch = new OomWatch({ logPath: file("log", record(PID)) });
    const reading = watch.verdict(PID, undefined, WALL_MS);
    await watch[Symbol.asyncDispose]();
    expect(await reading).toBe("certain");
    await until(() => openDescriptors() === before);
  });
});

describe("the counter of a memory cgroup", () => {
  test.each([
    ["v1", "oom_kill_disable 0\nunder_oom 0\noom_kill "],
    ["v2", "low 0\nhigh 0\nmax 12\noom 5\noom_kill "],
  ])("of %s that rose while the program ran makes it likely", async (_version, text) => {
    const counterFile = file("events", `${text}3\n`);
    await using watch = new OomWatch({ counterFile });
    const atStart = watch.recentCount();
    expect(atStart).toBe(3);
    expect(await watch.verdict(PID, atStart, WALL_MS)).toBeUndefined();
    writeFileSync(counterFile, `${text}4\noom_group_kill 0\n`);
    expect(await watch.verdict(PID, atStart, WALL_MS)).toBe("likely");
  });

  test("is less than the kernel's log", async () => {
    const counterFile = file("events", "oom_kill 1\n");
    await using watch = new OomWatch({ counterFile, logPath: file("log", record(PID)) });
    expect(await watch.verdict(PID, 0, WALL_MS)).toBe("certain");
  });

  test.each([
    ["is not there", undefined],
    ["says something else", "oom_kill_disable 0\n"],
  ])("that %s says nothing", async (_what, content) => {
    const counterFile = content === undefined ? join(folder, "none") : file("events", content);
    await using watch = new OomWatch({ counterFile });
    expect(watch.recentCount()).toBeUndefined();
    expect(await watch.verdict(PID, undefined, WALL_MS)).toBeUndefined();
    expect(await watch.verdict(PID, 0, WALL_MS)).toBeUndefined();
  });

  test("that appeared after the program's start is no evidence", async () => {
    const counterFile = join(folder, "events");
    await using watch = new OomWatch({ counterFile });
    const atStart = watch.recentCount();
    writeFileSync(counterFile, "oom_kill 7\n");
    expect(await watch.verdict(PID, atStart, WALL_MS)).toBeUndefined();
  });
});

test("without any source nothing is claimed", async () => {
  await using watch = new OomWatch({});
  expect([watch.recentCount(), await watch.verdict(PID, 0, WALL_MS)]).toEqual([undefined, undefined]);
});
