import { execFileSync } from "node:child_process";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempDisposableSync,
  openSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lstatCached, O_PATH, openPathCached, statCached } from "../../../src/host/libc-cached.ts";
import type { FilePath, FileStats } from "../../../src/host/file-access.ts";
import { Mounts } from "../../../src/host/mounts.ts";

const MANY_TIMES = 10_000;

/** What is remembered; while somebody mounts something the kernel may say once that it would have to wait. */
function known(path: FilePath): FileStats {
  for (let attempt = 0; attempt < MANY_TIMES; attempt += 1) {
    const stats = lstatCached(path);
    if (stats) return stats;
  }
  throw new Error(`nothing is remembered of ${path.toString()}`);
}

test("tells of all kinds of files what Node tells, a link itself", () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-cached-"));
  const path = (name: string): string => join(folder.path, name);
  writeFileSync(path("file"), "12345", { mode: 0o640 });
  mkdirSync(path("directory"), { mode: 0o2750 });
  symlinkSync("file", path("link"));
  execFileSync("mkfifo", [path("fifo")]);
  const odd = Buffer.from(`${folder.path}/\xff\xfe`, "latin1");
  writeFileSync(odd, "");
  for (const each of [path("file"), path("directory"), path("link"), path("fifo"), odd]) {
    expect(lstatSync(each, { bigint: true })).toMatchObject(known(each));
  }
  // Others may change the times of these.
  for (const each of ["/", "/dev/null"]) {
    const { dev, ino, mode, uid } = known(each);
    expect(lstatSync(each, { bigint: true })).toMatchObject({ dev, ino, mode, uid });
  }
});

test("finds names in an open directory, and what is open itself", () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-cached-"));
  writeFileSync(join(folder.path, "a\nname"), "123");
  const fd = openSync(folder.path, O_PATH);
  try {
    expect(known(`/proc/self/fd/${fd}/a\nname`)).toMatchObject({ size: 3n });
    expect(lstatCached(`/proc/self/fd/${fd}/missing`)).toBeUndefined();
    expect(lstatCached(`/proc/self/fd/${fd}/`)).toBeUndefined();
    expect(statCached(fd)).toMatchObject({ ino: statSync(folder.path, { bigint: true }).ino });
  } finally {
    closeSync(fd);
  }
});

test("says nothing of what is not there, of what it would have to wait for, and leaves nothing open", () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-cached-"));
  writeFileSync(join(folder.path, "file"), "");
  for (let index = 0; index < 20; index += 1) {
    expect(lstatCached(join(folder.path, "missing"))).toBeUndefined();
    expect(lstatCached(join(folder.path, "file", "below"))).toBeUndefined();
    // Where such links lead only waiting can tell.
    expect(lstatCached(`/proc/self/root${folder.path}/file`)).toBeUndefined();
    expect(known(join(folder.path, "file"))).toMatchObject({ size: 0n });
    expect(openPathCached("", 0)).toBeUndefined();
  }
  const open = readdirSync("/proc/self/fd").map(pathOf);
  expect(open.filter((path) => path.startsWith(folder.path))).toEqual([]);
});

test("a device is known to be local once somebody has looked", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-cached-"));
  const { dev } = statSync(folder.path, { bigint: true });
  const mounts = new Mounts();
  expect(mounts.isKnownLocal(dev, folder.path)).toBe(false);
  expect(await mounts.isNetwork(dev, folder.path)).toBe(false);
  expect(mounts.isKnownLocal(dev, folder.path)).toBe(true);
});

function pathOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // closed by now: the one that the directory was read with
  }
}
