import { constants } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Directory } from "../../../src/filesystem/directory.ts";
import { FileWriter } from "../../../src/filesystem/file-writer.ts";
import { FileLocks } from "../../../src/filesystem/file-locks.ts";
import { KeyedLocks } from "../../../src/lib/keyed-locks.ts";
import { MetadataStore } from "../../../src/filesystem/metadata.ts";
import { locate } from "../../../src/filesystem/place.ts";
import { openSpool } from "../../../src/filesystem/spool.ts";
import { Mounts } from "../../../src/host/mounts.ts";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { testFiles } from "./server.ts";

const SELF = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

test("a file system without nameless files gets a spool in the daemon's directory, whose name is gone", async () => {
  await using files = await testFiles();
  using near = await Directory.open(OWN_FILE_ACCESS, "/proc/self");
  await using spool = await openSpool(near, files.spool);
  await spool.append([Buffer.from("con"), Buffer.from("tent")]);
  expect(spool).toMatchObject({ isLinkable: false, sizeBytes: 7 });
  expect(await readdir(files.spool)).toEqual([]);

  using place = await locate(OWN_FILE_ACCESS, join(files.root, "a"));
  const writer = new FileWriter({ metadata: new MetadataStore(new Mounts()), locks: new FileLocks() });
  const write = {
    content: spool,
    owner: SELF,
    metadata: {},
    shownPath: "a",
    declaredBytes: undefined,
    isExpected: false,
  };
  await writer.write(place, write);
  expect(await readFile(join(files.root, "a"), "utf8")).toBe("content");
});

test("a spool copies any part of what it holds", async () => {
  await using files = await testFiles();
  using near = await Directory.open(OWN_FILE_ACCESS, files.root);
  await using spool = await openSpool(near, join(files.spool, "made"));
  await spool.append([Buffer.from("0123456789")]);
  await using file = await OWN_FILE_ACCESS.open(join(files.root, "a"), constants.O_WRONLY | constants.O_CREAT);
  await spool.copyTo(file, 4, 8);
  expect((await readFile(join(files.root, "a"))).toString()).toBe("\0\0\0\0\u{34}567");
  await expect(spool.copyTo(file, 8, 12)).rejects.toThrow("ends at 10");
});

test("a directory stays the one that was opened, whatever becomes of its path", async () => {
  await using files = await testFiles();
  await mkdir(join(files.root, "a/b"), { recursive: true });
  await symlink("b", join(files.root, "a/link"));
  using directory = await Directory.open(OWN_FILE_ACCESS, join(files.root, "a"));
  expect(await directory.path()).toBe(join(files.root, "a"));
  expect(await directory.identity()).toMatchObject({ ino: (await stat(join(files.root, "a"), { bigint: true })).ino });
  using child = await directory.openChild("b");
  expect(await child.path()).toBe(join(files.root, "a/b"));
  await expect(directory.openChild("link")).rejects.toMatchObject({ code: "ENOTDIR" });
});

test("locks admit one holder for each key, in order, and are forgotten", async () => {
  const locks = new KeyedLocks();
  const order: number[] = [];
  const first = await locks.lock("a");
  const waiting = [1, 2].map(async (index) => {
    using turn = await locks.lock("a");
    order.push(index);
    expect(turn.hasWaited).toBe(true);
  });
  using other = await locks.lock("b");
  expect([first.hasWaited, other.hasWaited]).toEqual([false, false]);
  first[Symbol.dispose]();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2]);
});
