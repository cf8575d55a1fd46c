import { statSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { AtomicWrite } from "../../../src/filesystem/atomic-writes.ts";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { expectUntouched, LINK_RACES, scene } from "../../helpers/link-races.ts";
import { bodyOf } from "./bodies.ts";
import { isRoot, testFiles } from "./server.ts";

const ME = { user: undefined };
const OTHER = { user: isRoot ? "nobody" : undefined };

const write = (path: string, body: AsyncIterable<Buffer>, more: Partial<AtomicWrite> = {}): AtomicWrite => ({
  path,
  body,
  declaredBytes: undefined,
  mode: 0o666,
  isAppended: false,
  isDurable: false,
  expect: undefined,
  ...more,
});

describe("a link that is swapped in while the body comes", () => {
  test.each([
    ["a file that is replaced", true, {}],
    ["a new file", false, {}],
    ["a file that is added to", true, { isAppended: true }],
  ])("for %s is not followed", async (_, exists, more) => {
    await using files = await testFiles();
    const it = await scene(files);
    const path = join(it.tree, "a");
    if (exists) await writeFile(path, "old");
    const swap = async (): Promise<void> => {
      await rm(path, { force: true });
      await symlink(it.secret, path);
    };
    // Refused or done in the link's own place: both are right, and which it is depends on the file.
    await files.atomicWrites.save(write(path, bodyOf(300_000, swap), more), OTHER).catch((error: unknown) => {
      expect(error).toMatchObject({ name: "SandboxError" });
    });
    await expectUntouched(it);
  });

  test.each([100, 2_000_000])("for a part of %i bytes is not followed", async (size) => {
    await using files = await testFiles();
    const it = await scene(files);
    const path = join(it.tree, "a");
    await writeFile(path, "old");
    const swap = async (): Promise<void> => {
      await rm(path);
      await symlink(it.secret, path);
    };
    const part = { start: 0, end: size, totalBytes: undefined, wholeDigests: [], isDurable: false, expect: undefined };
    const writing = files.partialWrites.write({ ...part, path, body: bodyOf(size, swap), areAllChecked: false }, ME);
    await expect(writing).rejects.toMatchObject({ code: "aborted" });
    await expectUntouched(it);
  });

  test("for a directory of the path is not followed", async () => {
    await using files = await testFiles();
    const it = await scene(files);
    const [outside, path] = [join(files.root, "outside"), join(it.tree, "a")];
    await mkdir(outside);
    await writeFile(path, "old");
    const swap = async (): Promise<void> => {
      await rename(it.tree, join(files.root, "moved"));
      await symlink(outside, it.tree);
    };
    await files.atomicWrites.save(write(path, bodyOf(1000, swap)), OTHER);
    expect(await readdir(outside)).toEqual([]);
    expect(statSync(join(files.root, "moved/a")).size).toBe(1000);
  });
});

test.each(LINK_RACES)("a link that comes and goes in a tree gets $name", async ({ run }) => {
  await using files = await testFiles();
  await run(files, { swaps: 100, rounds: 100 });
});

test("nothing is opened for a FIFO that takes a file's place", async () => {
  await using files = await testFiles();
  const it = await scene(files);
  const path = join(it.tree, "a");
  await writeFile(path, "old");
  const swap = async (): Promise<void> => {
    await rm(path);
    await OWN_FILE_ACCESS.makeFifo(path, 0o666);
  };
  await expect(files.atomicWrites.save(write(path, bodyOf(10, swap)), ME)).rejects.toMatchObject({
    reason: "not_regular_file",
  });
  await using fifo = await open(path, "r+");
  expect((await fifo.stat()).isFIFO()).toBe(true);
});
