import { create, fromBinary, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type EntryInit, encodeEntryList } from "../../../src/contracts/entry-list.ts";
import { FileType, ListDirResponseSchema } from "../../../src/contracts/gen/filesystem_pb.js";

const FULL: EntryInit = {
  name: 'a "quoted" 文 name',
  type: FileType.FILE,
  path: "/tmp/x\n",
  size: 12_345_678_901n,
  mode: 0o644,
  permissions: "-rw-r--r--",
  owner: "user",
  group: "user",
  modifiedTime: { seconds: 1_704_164_645n, nanos: 123_456_789 },
  symlinkTarget: "/tmp/y",
  metadata: { kind: "report" },
};

const ENTRIES: EntryInit[] = [
  FULL,
  { name: "empty", size: 0n, mode: 0, metadata: {}, type: FileType.UNSPECIFIED },
  { ...FULL, type: FileType.DIRECTORY, modifiedTime: { seconds: 0n, nanos: 0 } },
  { ...FULL, modifiedTime: { seconds: -1n, nanos: 500_000_000 } },
  { ...FULL, modifiedTime: { seconds: 1n, nanos: 1000 } },
  { ...FULL, modifiedTime: { seconds: 1n, nanos: 120_000 } },
  ...Array.from({ length: 200 }, (_, index) => ({ ...FULL, name: `entry ${index}` })),
];

test.each([0, 1, 6, 64, 65, 206])("writes %i entries as the generated codec does", async (count) => {
  const entries = ENTRIES.slice(0, count);
  const expected = create(ListDirResponseSchema, { entries });
  expect(JSON.parse((await encodeEntryList([entries.slice(0, 3), entries.slice(3)], "json")).toString())).toEqual(
    toJson(ListDirResponseSchema, expected),
  );
  expect(
    fromBinary(ListDirResponseSchema, await encodeEntryList([entries.slice(0, 3), entries.slice(3)], "proto")),
  ).toEqual(expected);
});

test("lets others have their turn", async () => {
  const many = Array.from({ length: 20_000 }, () => FULL);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  await encodeEntryList([many], "json");
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
});
