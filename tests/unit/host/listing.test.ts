import { execFileSync } from "node:child_process";
import {
  type BigIntStats,
  lstatSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FileStats, ListedEntry } from "../../../src/host/file-access.ts";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";

const PREFIX = "user.guestd-test.";
/** More than one call of the library tells. */
const MANY = 600;

async function entriesOf(path: string): Promise<ListedEntry[]> {
  const entries: ListedEntry[] = [];
  for await (const slice of OWN_FILE_ACCESS.list(path, PREFIX)) entries.push(...slice);
  return entries;
}

/** Without what Node adds. */
function detailsOf(stats: BigIntStats): FileStats {
  const { dev, ino, mode, nlink, uid, gid, size, blocks, atimeNs, mtimeNs, ctimeNs } = stats;
  return { dev, ino, mode, nlink, uid, gid, size, blocks, atimeNs, mtimeNs, ctimeNs };
}

function latin1(name: Buffer): string {
  return name.toString("latin1");
}

test("says of everything in a directory what Node says, in the order of the names' bytes", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-listing-"));
  for (let index = 0; index < MANY; index += 1) writeFileSync(join(folder.path, `f${index}`), "x".repeat(index % 7));
  mkdirSync(join(folder.path, "directory"), { mode: 0o2750 });
  symlinkSync("nowhere", join(folder.path, "link"));
  execFileSync("mkfifo", [join(folder.path, "fifo")]);
  writeFileSync(Buffer.from(`${folder.path}/\xff\xfe`, "latin1"), "");
  writeFileSync(join(folder.path, "n".repeat(255)), "");
  const entries = await entriesOf(folder.path);
  const names = readdirSync(folder.path, { encoding: "latin1" }).toSorted();
  expect(entries.map(({ name }) => latin1(name))).toEqual(names);
  expect(names).toHaveLength(MANY + 5);
  const looks = names.map((name) => lstatSync(Buffer.from(`${folder.path}/${name}`, "latin1"), { bigint: true }));
  expect(entries.map(({ stats }) => stats)).toEqual(looks.map(detailsOf));
  const types = Object.fromEntries(entries.map(({ name, type }) => [latin1(name), type]));
  expect(types).toMatchObject({ f0: "file", directory: "directory", link: "other", fifo: "other", "\xff\xfe": "file" });
});

test("tells which files and directories have attributes of the prefix", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-listing-"));
  for (const name of ["none", "other", "ours"]) writeFileSync(join(folder.path, name), "");
  mkdirSync(join(folder.path, "directory"));
  const value = Buffer.from("1");
  await OWN_FILE_ACCESS.writeAttribute(join(folder.path, "other"), "user.guestd-tes", value);
  await OWN_FILE_ACCESS.writeAttribute(join(folder.path, "ours"), "user.another", value);
  await OWN_FILE_ACCESS.writeAttribute(join(folder.path, "ours"), `${PREFIX}key`, value);
  await OWN_FILE_ACCESS.writeAttribute(join(folder.path, "directory"), `${PREFIX}key`, value);
  const entries = await entriesOf(folder.path);
  expect(entries.filter((entry) => entry.hasAttributes).map(({ name }) => latin1(name))).toEqual(["directory", "ours"]);
});

test("leaves nothing open when nobody wants the rest, nor at the end", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-listing-"));
  for (let index = 0; index < MANY; index += 1) writeFileSync(join(folder.path, `f${index}`), "");
  const isOpen = (): boolean => readdirSync("/proc/self/fd").some((fd) => pathOf(fd) === folder.path);
  let seen = 0;
  for await (const slice of OWN_FILE_ACCESS.list(folder.path, PREFIX)) {
    seen += slice.length;
    expect(isOpen()).toBe(true);
    break;
  }
  expect(seen).toBeGreaterThan(0);
  expect(seen).toBeLessThan(MANY);
  expect(isOpen()).toBe(false);
  expect(await entriesOf(folder.path)).toHaveLength(MANY);
  expect(isOpen()).toBe(false);
});

test("rejects with the system's error of opening the directory", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-listing-"));
  const file = join(folder.path, "file");
  writeFileSync(file, "");
  await expect(entriesOf(file)).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(entriesOf(join(folder.path, "missing"))).rejects.toMatchObject({ code: "ENOENT" });
  expect(await entriesOf(folder.path)).toHaveLength(1);
});

function pathOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // the one that the directory was read with
  }
}
