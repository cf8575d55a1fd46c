import { execFile } from "node:child_process";
import { mkdirSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { appendFile, chmod, mkdir, rename, rm, rmdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { swap } from "./swap.ts";
import { inotifyInstances, type TestWatching, testWatching } from "./watching.ts";

const run = promisify(execFile);

let watching: TestWatching;
let root: string;
beforeEach(async () => {
  watching = await testWatching();
  ({ root } = watching);
});
afterEach(() => watching[Symbol.asyncDispose]());

describe("one directory", () => {
  test("tells what happens to its entries, as the kernel says it", async () => {
    const { events } = await watching.open(root);
    await writeFile(join(root, "a"), "x");
    await chmod(join(root, "a"), 0o600);
    await appendFile(join(root, "a"), "y");
    await rename(join(root, "a"), join(root, "b"));
    await rm(join(root, "b"));
    await mkdir(join(root, "d"));
    await writeFile(join(root, "d/below"), "");
    expect(await events()).toEqual([
      "create a",
      "write a",
      "chmod a",
      "write a",
      "rename a",
      "create b",
      "remove b",
      "create d",
    ]);
    expect(await events()).toEqual([]);
  });

  test("is told of its own change, removal and move, then silent", async () => {
    await mkdir(join(root, "gone"));
    await mkdir(join(root, "moved"));
    const gone = await watching.open(join(root, "gone"), { isRecursive: true });
    const moved = await watching.open(join(root, "moved"));
    await chmod(join(root, "gone"), 0o700);
    await rmdir(join(root, "gone"));
    await rename(join(root, "moved"), join(root, "elsewhere"));
    expect(await gone.events()).toEqual(["chmod .", "remove ."]);
    expect(await moved.events()).toEqual(["rename ."]);
    await mkdir(join(root, "gone"));
    await writeFile(join(root, "gone/x"), "");
    await writeFile(join(root, "elsewhere/x"), "");
    expect([await gone.events(), await moved.events()]).toEqual([[], []]);
    expect(await inotifyInstances()).toEqual([0]);
  });

  test("may be named by a link, also to be watched with what is below", async () => {
    await mkdir(join(root, "real/sub"), { recursive: true });
    await symlink(join(root, "real"), join(root, "link"));
    const { events, watcher } = await watching.open(join(root, "link"), { isRecursive: true });
    await writeFile(join(root, "real/sub/x"), "");
    expect([watcher.path, watcher.shownPath]).toEqual([join(root, "real"), join(root, "link")]);
    expect(await events()).toEqual(["create sub/x"]);
  });

  test("that cannot be watched is refused in the contract's words", async () => {
    await writeFile(join(root, "file"), "");
    await expect(watching.open("/no/such")).rejects.toMatchObject({
      code: "not_found",
      message: "path /no/such not found: stat /no/such: no such file or directory",
    });
    await expect(watching.open(join(root, "file"))).rejects.toMatchObject({
      code: "invalid_argument",
      message: `path ${root}/file not a directory`,
    });
    await expect(watching.open(`/${"x/".repeat(3000)}`)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("a tree", () => {
  test("tells what is made in new directories, each once, however fast", async () => {
    const { events } = await watching.open(root, { isRecursive: true });
    // In one turn of the event loop: all of it is there before anybody can look.
    mkdirSync(join(root, "a/b/c"), { recursive: true });
    writeFileSync(join(root, "a/b/c/file"), "");
    expect(await events()).toEqual(["create a", "create a/b", "create a/b/c", "create a/b/c/file"]);
    await writeFile(join(root, "a/b/c/later"), "");
    expect(await events()).toEqual(["create a/b/c/later"]);
  });

  test("goes on under the new name of what is moved within it", async () => {
    await mkdir(join(root, "a/deep/er"), { recursive: true });
    const { events } = await watching.open(root, { isRecursive: true });
    await rename(join(root, "a/deep"), join(root, "b"));
    await writeFile(join(root, "b/er/x"), "");
    expect(await events()).toEqual(["rename a/deep", "create b from a/deep", "create b/er/x"]);
    expect(await inotifyInstances()).toEqual([4]);
  });

  test("goes on below what is moved over a directory that was there", async () => {
    for (const name of ["tree/a/in-a", "tree/b", "tree/c", "outside/in-o"]) {
      await mkdir(join(root, name), { recursive: true });
    }
    const { events } = await watching.open(join(root, "tree"), { isRecursive: true });
    await rename(join(root, "tree/a"), join(root, "tree/b"));
    await rename(join(root, "outside"), join(root, "tree/c"));
    expect(await events()).toEqual(["rename a", "create b from a", "create c", "create c/in-o"]);
    await writeFile(join(root, "tree/b/in-a/x"), "");
    await writeFile(join(root, "tree/c/in-o/y"), "");
    expect(await events()).toEqual(["create b/in-a/x", "create c/in-o/y"]);
    expect(await inotifyInstances()).toEqual([5]);
  });

  test("goes on under each other's name of two that are swapped in one step", async () => {
    await mkdir(join(root, "a/in-a"), { recursive: true });
    await mkdir(join(root, "b/in-b"), { recursive: true });
    await writeFile(join(root, "file"), "");
    const tree = await watching.open(root, { isRecursive: true });
    const flat = await watching.open(root);
    swap(join(root, "a"), join(root, "b"));
    const moves = ["rename a", "create b from a", "rename b", "create b"];
    expect(await tree.events()).toEqual([...moves, "create b/in-a", "create a", "create a/in-b"]);
    expect(await flat.events()).toEqual(["rename a", "create b", "rename b", "create b", "create a"]);
    await writeFile(join(root, "a/in-b/x"), "");
    await writeFile(join(root, "b/in-a/y"), "");
    expect(await tree.events()).toEqual(["create a/in-b/x", "create b/in-a/y"]);
    swap(join(root, "file"), join(root, "a"));
    await writeFile(join(root, "file/z"), "");
    const seen = await tree.events();
    expect(seen.slice(0, 4)).toEqual(["rename file", "create a", "rename a", "create a"]);
    expect(seen).toContain("create file/in-b/x");
    expect(seen).toContain("create file/z");
    expect(await inotifyInstances()).toEqual([5]);
  });

  test("follows no link that has taken a directory's place before that is looked at", async () => {
    await mkdir(join(root, "tree"));
    await mkdir(join(root, "outside/below"), { recursive: true });
    const { events } = await watching.open(join(root, "tree"), { isRecursive: true });
    mkdirSync(join(root, "tree/a"));
    rmdirSync(join(root, "tree/a"));
    symlinkSync(join(root, "outside"), join(root, "tree/a"));
    expect(await events()).toEqual(["create a", "remove a", "create a"]);
    await writeFile(join(root, "outside/unseen"), "");
    expect(await events()).toEqual([]);
    expect(await inotifyInstances()).toEqual([1]);
  });

  test("lets go of what is moved out, and takes in what is moved in", async () => {
    await mkdir(join(root, "tree/out/sub"), { recursive: true });
    await mkdir(join(root, "in/sub"), { recursive: true });
    await writeFile(join(root, "in/sub/file"), "");
    const { events } = await watching.open(join(root, "tree"), { isRecursive: true });
    await rename(join(root, "tree/out"), join(root, "out"));
    await writeFile(join(root, "out/sub/unseen"), "");
    await rename(join(root, "in"), join(root, "tree/in"));
    await writeFile(join(root, "tree/in/sub/more"), "");
    const seen = await events();
    expect(seen).toEqual(["rename out", "create in", "create in/sub", ...seen.slice(3)]);
    expect(seen.slice(3).toSorted()).toEqual(["create in/sub/file", "create in/sub/more"]);
    await expect.poll(() => inotifyInstances(), { timeout: 20_000 }).toEqual([3]);
    await writeFile(join(root, "out/sub/unseen"), "more");
    expect(await events()).toEqual([]);
  });

  test("is told of removals below, whole trees included", async () => {
    await mkdir(join(root, "a/b"), { recursive: true });
    await writeFile(join(root, "a/b/file"), "");
    const { events } = await watching.open(root, { isRecursive: true });
    await rm(join(root, "a"), { recursive: true });
    expect(await events()).toEqual(["remove a/b/file", "remove a/b", "remove a"]);
    expect(await inotifyInstances()).toEqual([1]);
  });

  test("tells names that are no UTF-8 with a replacement, and goes on below them", async () => {
    const { events } = await watching.open(root, { isRecursive: true });
    const long = "ü".repeat(127) + "x";
    const folder = Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.of(0xff, 0xfe)]);
    await mkdir(folder);
    await events();
    await writeFile(Buffer.concat([folder, Buffer.from("/new\nline \"'")]), "");
    await writeFile(join(root, long), "");
    expect(await events()).toEqual(["create bad-\uFFFD\uFFFD/new\nline \"'", `create ${long}`]);
  });

  test("says which part is too deep for a path", async () => {
    const { events } = await watching.open(root, { isRecursive: true });
    const name = "d".repeat(250);
    await run("sh", ["-c", `cd "$1" && for i in $(seq 20); do mkdir ${name} && cd -P ${name}; done`, "sh", root]);
    const seen = await events();
    expect(seen.at(-1)).toMatch(/^gap d{250}.* path_too_long none$/);
    await run("sh", ["-c", `rm -rf "$1/${name}"`, "sh", root]);
  });
});

describe("watchers of overlapping trees", () => {
  test("share the kernel's watches, and give them back with the last one", async () => {
    await mkdir(join(root, "a/b"), { recursive: true });
    const outer = await watching.open(root, { isRecursive: true });
    const inner = await watching.open(join(root, "a"), { isRecursive: true });
    const flat = await watching.open(join(root, "a/b"));
    expect(await inotifyInstances()).toEqual([3]);
    await writeFile(join(root, "a/b/x"), "");
    expect([await outer.events(), await inner.events(), await flat.events()]).toEqual([
      ["create a/b/x"],
      ["create b/x"],
      ["create x"],
    ]);
    await outer.watcher[Symbol.asyncDispose]();
    expect(await inotifyInstances()).toEqual([2]);
    await writeFile(join(root, "a/b/y"), "");
    expect([await inner.events(), await flat.events()]).toEqual([["create b/y"], ["create y"]]);
    await inner.watcher[Symbol.asyncDispose]();
    expect(await inotifyInstances()).toEqual([1]);
    await flat.watcher[Symbol.asyncDispose]();
    expect(await inotifyInstances()).toEqual([0]);
  });

  test("agree about what is moved from one to the other", async () => {
    await mkdir(join(root, "one/sub"), { recursive: true });
    await mkdir(join(root, "two"));
    const one = await watching.open(join(root, "one"), { isRecursive: true });
    const two = await watching.open(join(root, "two"), { isRecursive: true });
    await rename(join(root, "one/sub"), join(root, "two/sub"));
    await writeFile(join(root, "two/sub/x"), "");
    expect(await one.events()).toEqual(["rename sub"]);
    expect(await two.events()).toEqual(["create sub", "create sub/x"]);
  });
});
