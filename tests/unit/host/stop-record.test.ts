import { mkdtempDisposableSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readStopRecord, StopRecord } from "../../../src/host/stop-record.ts";

const STOPPED = [
  { pid: 4711, startTime: 12 },
  { pid: 4712, startTime: 13 },
];

let folder: ReturnType<typeof mkdtempDisposableSync>;
let path: string;
beforeEach(() => {
  folder = mkdtempDisposableSync(join(tmpdir(), "guestd-record-"));
  path = join(folder.path, "stopped");
});
afterEach(() => folder[Symbol.dispose]());

function noteAll(): StopRecord {
  const record = new StopRecord(path);
  for (const each of STOPPED) record.note(each);
  return record;
}

test("whoever was noted is read in that order, until none is stopped any more", () => {
  const record = noteAll();
  expect(readStopRecord(path)).toEqual(STOPPED);
  record.clear();
  expect([readStopRecord(path), existsSync(path)]).toEqual([[], false]);
});

test.each([
  ["before a reboot", /^\S+/, "b1a6994d-0000-0000-0000-937e269b6c67"],
  ["in another container", /pid:\[\d+\]/, "pid:[1]"],
  ["without its first line", /^.*\n/, ""],
])("numbers that were noted %s mean nobody", (_name, part, other) => {
  noteAll();
  writeFileSync(path, readFileSync(path, "latin1").replace(part, other));
  expect(readStopRecord(path)).toEqual([]);
});

test("no link is followed, neither to note nor to read", () => {
  const target = join(folder.path, "target");
  writeFileSync(target, "mine");
  symlinkSync(target, path);
  noteAll();
  expect([readFileSync(target, "latin1"), readStopRecord(path)]).toEqual(["mine", STOPPED]);
  const link = join(folder.path, "link");
  symlinkSync(path, link);
  expect(readStopRecord(link)).toEqual([]);
});
