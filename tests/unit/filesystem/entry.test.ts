import { execFileSync } from "node:child_process";
import { chmod, chown, lutimes, mkdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { permissionsText } from "../../../src/filesystem/entry.ts";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { isRoot, testFiles } from "./server.ts";

const ME = { user: undefined };

test.each([
  [0o100644, "-rw-r--r--"],
  [0o104755, "urwxr-xr-x"],
  [0o102755, "grwxr-xr-x"],
  [0o040755, "drwxr-xr-x"],
  [0o041777, "dtrwxrwxrwx"],
  [0o043775, "dgtrwxrwxr-x"],
  [0o120777, "Lrwxrwxrwx"],
  [0o020666, "Dcrw-rw-rw-"],
  [0o060660, "Drw-rw----"],
  [0o010644, "prw-r--r--"],
  [0o140755, "Srwxr-xr-x"],
  [0o100000, "----------"],
])("writes mode %o as %s", (mode, text) => {
  expect(permissionsText(mode)).toBe(text);
});

test("describes a file with its owner's name and the nanoseconds of its time", async () => {
  await using files = await testFiles();
  const path = join(files.root, "a.txt");
  await writeFile(path, "hello");
  await chmod(path, 0o640);
  execFileSync("touch", ["-d", "2024-01-02T03:04:05.123456789Z", path]);
  const self = files.users.self();
  expect(await files.filesystem.stat(path, ME)).toEqual({
    name: "a.txt",
    type: "file",
    path,
    sizeBytes: 5,
    mode: 0o640,
    ownMode: 0o100640,
    linkCount: 1,
    permissions: "-rw-r-----",
    owner: self.name,
    group: files.users.groupName(process.getegid?.() ?? 0),
    modifiedTime: { seconds: 1_704_164_645, nanoseconds: 123_456_789 },
    symlinkTarget: undefined,
    metadata: {},
  });
});

test("describes a link by what it leads to, but its size, time and permissions by itself", async () => {
  await using files = await testFiles();
  const target = join(files.root, "target");
  const link = join(files.root, "link");
  await mkdir(target, { mode: 0o750 });
  await symlink("target", link);
  await lutimes(link, 1_000_000, 1_000_000);
  const entry = await files.filesystem.stat(link, ME);
  expect(entry).toMatchObject({ name: "link", type: "directory", path: link, mode: 0o750, symlinkTarget: target });
  expect(entry).toMatchObject({ sizeBytes: 6, permissions: "Lrwxrwxrwx", modifiedTime: { seconds: 1_000_000 } });
});

test("gives a link that leads nowhere its own path as target and no mode", async () => {
  await using files = await testFiles();
  const [dangling, cyclic] = [join(files.root, "dangling"), join(files.root, "cyclic")];
  await symlink("/no/such/file", dangling);
  await symlink("cyclic", cyclic);
  for (const path of [dangling, cyclic]) {
    expect(await files.filesystem.stat(path, ME)).toMatchObject({ type: "other", mode: 0, symlinkTarget: path });
  }
});

test("calls FIFOs and sockets neither file nor directory", async () => {
  await using files = await testFiles();
  const fifo = join(files.root, "fifo");
  await OWN_FILE_ACCESS.makeFifo(fifo, 0o644);
  expect(await files.filesystem.stat(fifo, ME)).toMatchObject({
    type: "other",
    permissions: "prw-r--r--",
    mode: 0o644,
  });
});

test.runIf(isRoot)("shows the number of an owner that has no account", async () => {
  await using files = await testFiles();
  const path = join(files.root, "a");
  await writeFile(path, "");
  await chown(path, 54_321, 54_322);
  expect(await files.filesystem.stat(path, ME)).toMatchObject({ owner: "54321", group: "54322" });
});

test("reads metadata through links and skips what is not UTF-8 or not ours", async () => {
  await using files = await testFiles();
  const [path, link] = [join(files.root, "a"), join(files.root, "b")];
  await writeFile(path, "");
  await symlink(path, link);
  await OWN_FILE_ACCESS.writeAttribute(path, "user.e2b.kind", Buffer.from("report"));
  await OWN_FILE_ACCESS.writeAttribute(path, "user.e2b.binary", Buffer.from([0xff, 0xfe]));
  await OWN_FILE_ACCESS.writeAttribute(path, "user.other", Buffer.from("x"));
  expect(await files.filesystem.stat(path, ME)).toMatchObject({ metadata: { kind: "report" } });
  expect(await files.filesystem.stat(link, ME)).toMatchObject({ metadata: { kind: "report" } });
});

test("has no time for the epoch itself", async () => {
  await using files = await testFiles();
  const path = join(files.root, "a");
  await writeFile(path, "");
  await utimes(path, 0, 0);
  expect((await files.filesystem.stat(path, ME)).modifiedTime).toBeUndefined();
});
