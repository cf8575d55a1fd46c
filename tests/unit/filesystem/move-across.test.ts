import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { isRoot, testFiles } from "./server.ts";

const ME = { user: undefined };
const OTHER_DEVICE = "/dev/shm";

function hasOtherDevice(): boolean {
  return existsSync(OTHER_DEVICE) && statSync(OTHER_DEVICE).dev !== statSync("/tmp").dev;
}

interface Elsewhere extends AsyncDisposable {
  path: string;
}

async function elsewhere(): Promise<Elsewhere> {
  const path = await mkdtemp(join(OTHER_DEVICE, "guestd-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

describe.runIf(hasOtherDevice())("between file systems", () => {
  test("moves a file with its mode, time and metadata", async () => {
    await using files = await testFiles();
    await using other = await elsewhere();
    const [from, to] = [join(files.root, "a"), join(other.path, "deep/b")];
    await writeFile(from, "content");
    await chmod(from, 0o2751);
    await OWN_FILE_ACCESS.writeAttribute(from, "user.e2b.kind", Buffer.from("report"));
    execFileSync("touch", ["-d", "2024-01-02T03:04:05.5Z", from]);
    const entry = await files.filesystem.move(from, to, ME);
    expect(entry).toMatchObject({ path: to, permissions: "grwxr-x--x", metadata: { kind: "report" } });
    expect(entry.modifiedTime).toEqual({ seconds: 1_704_164_645, nanoseconds: 500_000_000 });
    expect(await readFile(to, "utf8")).toBe("content");
    expect(existsSync(from)).toBe(false);
    expect(await readdir(join(other.path, "deep"))).toEqual(["b"]);
  });

  test("moves a tree with its links, hard links, FIFOs and names that are not UTF-8", async () => {
    await using files = await testFiles();
    await using other = await elsewhere();
    const from = join(files.root, "tree");
    await mkdir(join(from, "sub"), { recursive: true });
    await chmod(join(from, "sub"), 0o700);
    await writeFile(join(from, "one"), "shared");
    await link(join(from, "one"), join(from, "sub/two"));
    await symlink("../one", join(from, "sub/link"));
    await symlink("/no/such", join(from, "dangling"));
    await OWN_FILE_ACCESS.makeFifo(join(from, "fifo"), 0o600);
    const bad = Buffer.from([0x66, 0xff]);
    await writeFile(Buffer.concat([Buffer.from(`${from}/`), bad]), "bytes");
    const to = join(other.path, "moved");
    await files.filesystem.move(from, to, ME);
    expect(existsSync(from)).toBe(false);
    expect(await readlink(join(to, "sub/link"))).toBe("../one");
    expect(await readlink(join(to, "dangling"))).toBe("/no/such");
    expect((await lstat(join(to, "fifo"))).isFIFO()).toBe(true);
    expect((await lstat(join(to, "one"))).ino).toBe((await lstat(join(to, "sub/two"))).ino);
    expect((await lstat(join(to, "sub"))).mode & 0o7777).toBe(0o700);
    expect((await readdir(Buffer.from(to), { encoding: "buffer" })).some((name) => name.equals(bad))).toBe(true);
  });

  test.runIf(isRoot)("keeps owners and set-uid bits", async () => {
    await using files = await testFiles();
    await using other = await elsewhere();
    const [from, to] = [join(files.root, "a"), join(other.path, "a")];
    await writeFile(from, "");
    await chown(from, 65_534, 65_534);
    await chmod(from, 0o4755);
    await files.filesystem.move(from, to, ME);
    expect(statSync(to)).toMatchObject({ uid: 65_534, gid: 65_534, mode: 0o104755 });
  });

  test("keeps a sparse file sparse", async () => {
    await using files = await testFiles();
    await using other = await elsewhere();
    const [from, to] = [join(files.root, "a"), join(other.path, "a")];
    await using file = await open(from, "w");
    await file.write("begin", 0);
    await file.write("end", 64 * 1024 * 1024);
    await files.filesystem.move(from, to, ME);
    const { size, blocks } = statSync(to);
    expect(size).toBe(64 * 1024 * 1024 + 3);
    expect(blocks * 512).toBeLessThan(8 * 1024 * 1024);
  });

  test("replaces a file, refuses a directory, and leaves nothing half done", async () => {
    await using files = await testFiles();
    await using other = await elsewhere();
    const [from, file, dir] = [join(files.root, "a"), join(other.path, "file"), join(other.path, "dir")];
    await writeFile(from, "new");
    await writeFile(file, "old");
    await mkdir(dir);
    await expect(files.filesystem.move(from, dir, ME)).rejects.toMatchObject({ code: "already_exists" });
    expect(await readFile(from, "utf8")).toBe("new");
    await files.filesystem.move(from, file, ME);
    expect(await readFile(file, "utf8")).toBe("new");
    await mkdir(join(files.root, "d"));
    await expect(files.filesystem.move(join(files.root, "d"), file, ME)).rejects.toMatchObject({
      code: "failed_precondition",
    });
    expect(await readdir(other.path)).toEqual(["dir", "file"]);
    expect(existsSync(join(files.root, "d"))).toBe(true);
  });

  test("leaves everything where it was when its caller goes away", async () => {
    await using files = await testFiles();
    await using other = await elsewhere();
    const from = join(files.root, "a");
    await writeFile(from, "content");
    const signal = AbortSignal.abort(new Error("gone"));
    await expect(files.filesystem.move(from, join(other.path, "b"), { ...ME, signal })).rejects.toThrow("gone");
    expect(await readdir(other.path)).toEqual([]);
    expect(await readFile(from, "utf8")).toBe("content");
  });

  test("copies attributes of directories", async () => {
    await using files = await testFiles();
    await using other = await elsewhere();
    const [from, to] = [join(files.root, "d"), join(other.path, "d")];
    await mkdir(from);
    await OWN_FILE_ACCESS.writeAttribute(from, "user.e2b.x", Buffer.from("y"));
    await files.filesystem.move(from, to, ME);
    expect((await OWN_FILE_ACCESS.readAttribute(to, "user.e2b.x")).toString()).toBe("y");
  });
});
