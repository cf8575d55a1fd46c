import { existsSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { asOrdinaryUser, isRoot, type TestFiles, testFiles } from "./server.ts";

const ME = { user: undefined };

async function names(files: TestFiles, path: string, depth = 1): Promise<string[]> {
  return (await files.filesystem.list(path, depth, ME)).map((entry) => entry.path.slice(path.length + 1));
}

test("says of what is not there that it was not found", async () => {
  await using files = await testFiles();
  await expect(files.filesystem.stat("/no/such", ME)).rejects.toMatchObject({
    code: "not_found",
    message: "file not found: lstat /no/such: no such file or directory",
  });
});

test("says of a path through a file that looking at it failed", async () => {
  await using files = await testFiles();
  await writeFile(join(files.root, "f"), "");
  const path = join(files.root, "f", "x");
  await expect(files.filesystem.stat(path, ME)).rejects.toMatchObject({
    code: "internal",
    message: `error getting file info: lstat ${path}: not a directory`,
  });
});

test.each([
  ["a\0b", "NUL"],
  [`/tmp/${"x".repeat(256)}`, "too long"],
  ["~somebody/x", "cannot expand"],
])("refuses path %j", async (path, why) => {
  await using files = await testFiles();
  await expect(files.filesystem.stat(path, ME)).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining(why),
  });
});

test("takes relative paths and ~ as the user's", async () => {
  await using files = await testFiles();
  const home = files.users.self().home;
  // An account may name a home that is not there.
  const found = await files.filesystem.stat("~", ME).catch((error: unknown) => error);
  expect(found).toMatchObject(existsSync(home) ? { path: home } : { message: expect.stringContaining(home) });
  await expect(files.filesystem.stat("no-such-file-here", ME)).rejects.toMatchObject({
    message: expect.stringContaining(`${join(home, "no-such-file-here")}:`),
  });
});

test("lists parents before children and siblings in the order of their bytes", async () => {
  await using files = await testFiles();
  for (const path of ["a/b/c", "a-b", "B", "ä", "z", "a.txt.d", "𝒳", "\uE000"]) {
    await mkdir(join(files.root, path), { recursive: true });
  }
  expect(await names(files, files.root)).toEqual(["B", "a", "a-b", "a.txt.d", "z", "ä", "\uE000", "𝒳"]);
  expect(await names(files, files.root, 3)).toEqual([
    "B",
    "a",
    "a/b",
    "a/b/c",
    "a-b",
    "a.txt.d",
    "z",
    "ä",
    "\uE000",
    "𝒳",
  ]);
  expect(await names(files, files.root, 2)).not.toContain("a/b/c");
});

test("lists through a link under the path that was asked for, and follows none below it", async () => {
  await using files = await testFiles();
  await mkdir(join(files.root, "real/sub"), { recursive: true });
  await symlink("real", join(files.root, "link"));
  await symlink("sub", join(files.root, "real/sublink"));
  await writeFile(join(files.root, "real/sub/file"), "");
  const entries = await files.filesystem.list(join(files.root, "link"), 5, ME);
  expect(entries.map((entry) => entry.path)).toEqual(
    ["sub", "sub/file", "sublink"].map((name) => join(files.root, "link", name)),
  );
});

test("keeps the path as it was asked for, cleaned, in front of entries", async () => {
  await using files = await testFiles();
  await mkdir(join(files.root, "a/b"), { recursive: true });
  const [entry] = await files.filesystem.list(`${files.root}/a/../a//`, 1, ME);
  expect(entry?.path).toBe(join(files.root, "a/b"));
  expect((await files.filesystem.list("/", 1, ME)).map(({ path }) => path)).toContain("/tmp");
});

test("lists a name that is not UTF-8 with its details, and all others", async () => {
  await using files = await testFiles();
  const bad = Buffer.concat([Buffer.from(`${files.root}/b`), Buffer.from([0xff, 0xfe]), Buffer.from("d")]);
  await mkdir(bad);
  await writeFile(Buffer.concat([bad, Buffer.from("/in")]), "12345");
  await writeFile(join(files.root, "a"), "");
  await writeFile(join(files.root, "c"), "");
  const entries = await files.filesystem.list(files.root, 2, ME);
  expect(entries.map(({ name, type, sizeBytes }) => [name, type, type === "file" ? sizeBytes : 0])).toEqual([
    ["a", "file", 0],
    ["b\uFFFD\uFFFDd", "directory", 0],
    ["in", "file", 5],
    ["c", "file", 0],
  ]);
});

test("refuses to list what is no directory, is not there, or leads in a circle", async () => {
  await using files = await testFiles();
  const [file, link, missing] = ["f", "l", "m"].map((name) => join(files.root, name)) as [string, string, string];
  await writeFile(file, "");
  await symlink("l", link);
  await expect(files.filesystem.list(file, 1, ME)).rejects.toMatchObject({
    code: "invalid_argument",
    message: `path is not a directory: ${file}`,
  });
  await expect(files.filesystem.list(missing, 1, ME)).rejects.toMatchObject({
    code: "not_found",
    message: `path not found: lstat ${missing}: no such file or directory`,
  });
  await expect(files.filesystem.list(link, 1, ME)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `cyclic symlink or chain >255 links at "${link}"`,
  });
});

test("lists what it may not look into without details", async () => {
  await asOrdinaryUser(async () => {
    await using files = await testFiles();
    await mkdir(join(files.root, "closed"));
    await writeFile(join(files.root, "closed/file"), "");
    await chmod(join(files.root, "closed"), 0o444);
    const [entry] = await files.filesystem.list(join(files.root, "closed"), 1, ME);
    expect(entry).toMatchObject({ name: "file", type: "file", permissions: "", owner: "" });
    await chmod(join(files.root, "closed"), 0o755);
  });
});

test("lets others have their turn while it lists ten thousand files", async () => {
  await using files = await testFiles();
  await Promise.all(Array.from({ length: 10_000 }, (_, index) => writeFile(join(files.root, `f${index}`), "")));
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const entries = await files.filesystem.list(files.root, 1, ME);
  clearImmediate(next);
  expect(entries).toHaveLength(10_000);
  // One for each of the slices, however long they take.
  expect(turns).toBeGreaterThan(10);
});

test("stops listing when its caller is gone", async () => {
  await using files = await testFiles();
  const gone = new Error("gone");
  await expect(files.filesystem.list("/", 1, { ...ME, signal: AbortSignal.abort(gone) })).rejects.toBe(gone);
});

test("makes a directory and those above it", async () => {
  await using files = await testFiles();
  const path = join(files.root, "a/b/c");
  expect(await files.filesystem.makeDir(path, ME)).toMatchObject({
    type: "directory",
    path,
    permissions: "drwxr-xr-x",
  });
  await expect(files.filesystem.makeDir(path, ME)).rejects.toMatchObject({
    code: "already_exists",
    message: `directory already exists: ${path}`,
  });
});

test.runIf(isRoot)("gives what it makes to the user, and leaves what was there alone", async () => {
  await using files = await testFiles();
  await files.filesystem.makeDir(join(files.root, "a/b"), { user: "nobody" });
  expect([files.root, join(files.root, "a"), join(files.root, "a/b")].map((path) => statSync(path).uid)).toEqual([
    0, 65_534, 65_534,
  ]);
});

test("does not make a directory over a file or through one", async () => {
  await using files = await testFiles();
  const file = join(files.root, "f");
  await writeFile(file, "");
  await expect(files.filesystem.makeDir(file, ME)).rejects.toMatchObject({
    code: "invalid_argument",
    message: `path already exists but it is not a directory: ${file}`,
  });
  await expect(files.filesystem.makeDir(join(file, "x"), ME)).rejects.toMatchObject({ code: "internal" });
});

test("lets only one of several callers make a directory, and all of them those above", async () => {
  await using files = await testFiles();
  const paths = Array.from({ length: 8 }, (_, index) => join(files.root, "x/y/z", String(index)));
  await Promise.all(paths.map((path) => files.filesystem.makeDir(path, ME)));
  expect(await readdir(join(files.root, "x/y/z"))).toHaveLength(8);
  const same = join(files.root, "x/same");
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => files.filesystem.makeDir(same, ME)));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("removes trees, links themselves, and what is not there", async () => {
  await using files = await testFiles();
  await mkdir(join(files.root, "keep"));
  await writeFile(join(files.root, "keep/file"), "");
  await mkdir(join(files.root, "tree/a/b"), { recursive: true });
  await symlink("../keep", join(files.root, "tree/link"));
  await writeFile(Buffer.concat([Buffer.from(`${files.root}/tree/`), Buffer.from([0xff])]), "");
  await symlink("keep", join(files.root, "link"));
  await files.filesystem.remove(join(files.root, "tree"), ME);
  await files.filesystem.remove(`${files.root}/link/`, ME);
  await files.filesystem.remove(join(files.root, "never/was"), ME);
  expect(await readdir(files.root)).toEqual(["keep"]);
  expect(await readdir(join(files.root, "keep"))).toEqual(["file"]);
});

test.each(["", "/", "/tmp/.", "/tmp/.."])("refuses to remove %j", async (path) => {
  await using files = await testFiles();
  await expect(files.filesystem.remove(path, ME)).rejects.toMatchObject({ code: "invalid_argument" });
});

test("does not remove through a link that is put in a tree meanwhile", async () => {
  await using files = await testFiles();
  const outside = join(files.root, "outside");
  await mkdir(outside);
  await Promise.all(Array.from({ length: 20 }, (_, index) => writeFile(join(outside, `f${index}`), "")));
  const directories = Array.from({ length: 50 }, (_, index) => join(files.root, "tree", `d${index}`));
  for (const directory of directories) await mkdir(join(directory, "x"), { recursive: true });
  const removing = files.filesystem.remove(join(files.root, "tree"), ME).catch(() => undefined);
  for (const directory of directories.toReversed()) {
    // Whoever is first: the directory may be gone by now.
    await rename(directory, join(files.root, "moved")).catch(() => undefined);
    await symlink(outside, directory).catch(() => undefined);
    await files.filesystem.remove(join(files.root, "moved"), ME);
  }
  await removing;
  expect(await readdir(outside)).toHaveLength(20);
});

test("renames files, directories and links, making the directories above", async () => {
  await using files = await testFiles();
  await writeFile(join(files.root, "a"), "content");
  await symlink("nowhere", join(files.root, "link"));
  const to = join(files.root, "new/dir/b");
  expect(await files.filesystem.move(join(files.root, "a"), to, ME)).toMatchObject({ path: to, type: "file" });
  expect(await readFile(to, "utf8")).toBe("content");
  await files.filesystem.move(join(files.root, "new"), join(files.root, "newer"), ME);
  await files.filesystem.move(join(files.root, "link"), join(files.root, "moved-link"), ME);
  expect(await readdir(files.root)).toEqual(["moved-link", "newer"]);
});

test("replaces a file but never a directory", async () => {
  await using files = await testFiles();
  const [a, b, dir] = ["a", "b", "dir"].map((name) => join(files.root, name)) as [string, string, string];
  await writeFile(a, "new");
  await writeFile(b, "old");
  await mkdir(dir);
  await files.filesystem.move(a, b, ME);
  expect(await readFile(b, "utf8")).toBe("new");
  await expect(files.filesystem.move(b, dir, ME)).rejects.toMatchObject({
    code: "already_exists",
    message: `error renaming: rename ${b} ${dir}: file exists`,
  });
  await expect(files.filesystem.move(dir, b, ME)).rejects.toMatchObject({ code: "failed_precondition" });
  expect(existsSync(b) && existsSync(dir)).toBe(true);
});

test("moves nothing into itself, and nothing that is not there", async () => {
  await using files = await testFiles();
  const dir = join(files.root, "dir");
  await mkdir(dir);
  const [missing, to] = [join(files.root, "missing"), join(files.root, "made/to")];
  await expect(files.filesystem.move(dir, join(dir, "sub"), ME)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining(`rename ${dir} ${dir}/sub: invalid argument`),
  });
  await expect(files.filesystem.move(missing, to, ME)).rejects.toMatchObject({
    code: "not_found",
    message: `source file not found: rename ${missing} ${to}: no such file or directory`,
  });
  expect(await readdir(files.root)).toEqual(["dir"]);
});
