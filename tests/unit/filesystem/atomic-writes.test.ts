import { statSync, writeFileSync } from "node:fs";
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AtomicWrite } from "../../../src/filesystem/atomic-writes.ts";
import type { FileState } from "../../../src/filesystem/downloads.ts";
import { bodyOf, textBody } from "./bodies.ts";
import { asOrdinaryUser, testFiles } from "./server.ts";

const ME = { user: undefined };

const write = (path: string, more: Partial<AtomicWrite> = {}): AtomicWrite => ({
  path,
  body: textBody("ours"),
  declaredBytes: undefined,
  mode: undefined,
  isAppended: false,
  isDurable: false,
  expect: undefined,
  ...more,
});

/** Throws when something is there; `then` comes right after it has looked. */
function mustBeNew(then: () => void): (state: FileState | undefined) => void {
  return (state) => {
    if (state) throw new Error("it is there");
    then();
  };
}

test("a file that another program makes after the last look is not replaced by one that must be new", async () => {
  await using files = await testFiles();
  const path = join(files.root, "a");
  let looks = 0;
  const foreign = (): void => {
    looks += 1;
    if (looks === 2) writeFileSync(path, "theirs");
  };
  await expect(files.atomicWrites.save(write(path, { expect: mustBeNew(foreign) }), ME)).rejects.toThrow("it is there");
  expect(await readFile(path, "utf8")).toBe("theirs");
  expect(await readdir(files.root)).toEqual(["a"]);
});

test("a file that another program removes while the body comes is made anew", async () => {
  await using files = await testFiles();
  const path = join(files.root, "a");
  await writeFile(path, "theirs");
  const body = bodyOf(1000, () => rm(path));
  expect(await files.atomicWrites.save(write(path, { body }), ME)).toMatchObject({ isNew: true, isAtomic: true });
});

test("a body that fails leaves everything as it was", async () => {
  await using files = await testFiles();
  const path = join(files.root, "dir/a");
  const body = bodyOf(2_000_000, () => Promise.reject(new Error("broken")));
  await expect(files.atomicWrites.save(write(path, { body }), ME)).rejects.toThrow("broken");
  expect([await readdir(files.root), await readdir(files.spool)]).toEqual([[], []]);
});

test("without the right to read what it has written a write succeeds, without a version", async () => {
  await asOrdinaryUser(async () => {
    await using files = await testFiles();
    const path = join(files.root, "a");
    const result = await files.atomicWrites.save(write(path, { mode: 0o200 }), ME);
    expect(result).toMatchObject({ isNew: true, state: undefined });
    expect(await files.atomicWrites.save(write(path, { mode: 0o600 }), ME)).toMatchObject({ isNew: false });
    expect(await readFile(path, "utf8")).toBe("ours");
  });
});

test("what may not be written is refused, whoever owns the directory", async () => {
  await using files = await testFiles();
  const path = join(files.root, "a");
  await writeFile(path, "root's");
  await chmod(files.root, 0o755);
  await asOrdinaryUser(async () => {
    await using mine = await testFiles();
    if (process.geteuid?.() === statSync(path).uid) return;
    await expect(mine.atomicWrites.save(write(path), ME)).rejects.toMatchObject({ code: "permission_denied" });
  });
  expect(await readFile(path, "utf8")).toBe("root's");
});
