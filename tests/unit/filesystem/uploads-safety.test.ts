import { statSync } from "node:fs";
import { chown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { bodyOf, KIB, MIB, save, smallDisk } from "./bodies.ts";
import { asOrdinaryUser, isRoot, testFiles } from "./server.ts";

describe("links", () => {
  test("that were there are followed, also to what does not exist yet", async () => {
    await using files = await testFiles();
    await mkdir(join(files.root, "dir"));
    await symlink("dir/target", join(files.root, "relative"));
    await symlink(join(files.root, "relative"), join(files.root, "absolute"));
    expect(await save(files, join(files.root, "absolute"), "one")).toMatchObject({
      path: join(files.root, "absolute"),
    });
    expect(await readFile(join(files.root, "dir/target"), "utf8")).toBe("one");
    await save(files, join(files.root, "relative"), "two");
    expect(await readFile(join(files.root, "dir/target"), "utf8")).toBe("two");
    await symlink("missing/deep/x", join(files.root, "dangling"));
    await save(files, join(files.root, "dangling"), "three");
    expect(await readFile(join(files.root, "missing/deep/x"), "utf8")).toBe("three");
  });

  test("in a circle are refused", async () => {
    await using files = await testFiles();
    await symlink("b", join(files.root, "a"));
    await symlink("a", join(files.root, "b"));
    await expect(save(files, join(files.root, "a"), "x")).rejects.toMatchObject({ code: "failed_precondition" });
  });

  test.each([100, 2 * MIB])(
    "put in a directory's place during an upload of %i bytes are not followed",
    async (size) => {
      await using files = await testFiles();
      const [dir, outside] = [join(files.root, "dir"), join(files.root, "outside")];
      await mkdir(dir);
      await mkdir(outside);
      await writeFile(join(outside, "a"), "secret");
      const swap = async (): Promise<void> => {
        await rename(dir, join(files.root, "moved"));
        await symlink(outside, dir);
      };
      await save(files, join(dir, "a"), bodyOf(size, swap));
      expect(await readFile(join(outside, "a"), "utf8")).toBe("secret");
      expect(statSync(join(files.root, "moved/a")).size).toBe(size);
    },
  );

  test.each([100, 2 * MIB])("put in the file's place during an upload of %i bytes are not followed", async (size) => {
    await using files = await testFiles();
    const [path, outside] = [join(files.root, "a"), join(files.root, "outside")];
    await writeFile(outside, "secret");
    if (isRoot) await chown(outside, 1234, 1234);
    await writeFile(path, "");
    const swap = async (): Promise<void> => {
      await rm(path);
      await symlink(outside, path);
    };
    await expect(save(files, path, bodyOf(size, swap))).rejects.toMatchObject({
      message: expect.stringContaining(`error opening file: open ${path}`),
    });
    expect(await readFile(outside, "utf8")).toBe("secret");
    if (isRoot) expect(statSync(outside).uid).toBe(1234);
  });

  test("put where a missing directory will be are not followed", async () => {
    await using files = await testFiles();
    const outside = join(files.root, "outside");
    await mkdir(outside);
    const swap = (): Promise<void> => symlink(outside, join(files.root, "new"));
    await expect(save(files, join(files.root, "new/a"), bodyOf(10, swap))).rejects.toMatchObject({
      message: `error ensuring directories: path is a file: ${files.root}/new`,
    });
    expect(await readdir(outside)).toEqual([]);
  });
});

describe("what cannot be written", () => {
  test("is refused before the body is read", async () => {
    await using files = await testFiles();
    await writeFile(join(files.root, "file"), "");
    await OWN_FILE_ACCESS.makeFifo(join(files.root, "fifo"), 0o666);
    const cases: [string, object][] = [
      [files.root, { code: "invalid_argument", message: `path is a directory: ${files.root}` }],
      [`${files.root}/new/`, { code: "invalid_argument", reason: "is_directory" }],
      [join(files.root, "fifo"), { code: "failed_precondition", reason: "not_regular_file" }],
      ["/dev/null", { code: "failed_precondition", reason: "not_regular_file" }],
      [
        join(files.root, "file/x"),
        { code: "internal", message: `error ensuring directories: path is a file: ${files.root}/file` },
      ],
    ];
    for (const [path, error] of cases) {
      const body = bodyOf(0, () => expect.unreachable());
      await expect(save(files, path, body), path).rejects.toMatchObject(error);
    }
  });

  test("as another user is refused when guestd is not root", async () => {
    await asOrdinaryUser(async () => {
      await using files = await testFiles();
      await expect(save(files, join(files.root, "a"), "x", { user: "root" })).rejects.toMatchObject({
        code: "permission_denied",
        reason: "user_not_switchable",
      });
    });
  });
});

describe.runIf(isRoot)("as root", () => {
  test("files and new directories become the user's, what was there stays as it was", async () => {
    await using files = await testFiles();
    const path = join(files.root, "new/dir/a");
    await save(files, path, "x", { user: "nobody" });
    expect(
      [files.root, join(files.root, "new"), join(files.root, "new/dir"), path].map((at) => statSync(at).uid),
    ).toEqual([0, 65_534, 65_534, 65_534]);
    await save(files, path, "y");
    expect(statSync(path).uid).toBe(0);
    await save(files, join(files.root, "large"), bodyOf(2 * MIB), { user: "nobody" });
    expect(statSync(join(files.root, "large"))).toMatchObject({ uid: 65_534, gid: 65_534, mode: 0o100644 });
  });
});

describe.runIf(isRoot)("a full disk", () => {
  const full = { code: "resource_exhausted", reason: "no_space" };

  test("leaves no file", async (context) => {
    await using disk = await smallDisk("size=1m");
    if (!disk) return context.skip();
    await using files = await testFiles();
    for (const size of [3 * MIB, MIB + 1]) {
      await expect(save(files, join(disk.path, "dir/a"), bodyOf(size))).rejects.toMatchObject({
        ...full,
        message: "not enough disk space available",
      });
    }
    await writeFile(join(disk.path, "filler"), Buffer.alloc(MIB - 100 * KIB));
    await expect(save(files, join(disk.path, "small"), bodyOf(200 * KIB))).rejects.toMatchObject(full);
    expect(await readdir(disk.path)).toEqual(["filler"]);
  });

  test.each([
    [100 * KIB, 200 * KIB],
    [600 * KIB, 700 * KIB],
  ])("leaves a file of %i bytes as it was under one of %i", async (oldSize, newSize) => {
    await using disk = await smallDisk("size=1m");
    if (!disk) return;
    await using files = await testFiles();
    const path = join(disk.path, "a");
    await writeFile(path, Buffer.alloc(oldSize, "old"));
    await chown(path, 1234, 1234);
    const room = MIB - oldSize - 50 * KIB;
    await writeFile(join(disk.path, "filler"), Buffer.alloc(room));
    await expect(save(files, path, bodyOf(newSize), { metadata: { k: "v" } })).rejects.toMatchObject(full);
    expect((await readFile(path)).equals(Buffer.alloc(oldSize, "old"))).toBe(true);
    expect(statSync(path).uid).toBe(1234);
    expect((await files.filesystem.stat(path, { user: undefined })).metadata).toEqual({});
  });

  test("without inodes is told apart", async (context) => {
    await using disk = await smallDisk("size=1m,nr_inodes=3");
    if (!disk) return context.skip();
    await using files = await testFiles();
    await writeFile(join(disk.path, "1"), "");
    await writeFile(join(disk.path, "2"), "");
    const path = join(disk.path, "3");
    await expect(save(files, path, "x")).rejects.toMatchObject({
      ...full,
      message: `not enough inodes available: open ${path}: no space left on device`,
    });
  });
});
