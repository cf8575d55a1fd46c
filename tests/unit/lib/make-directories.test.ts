import { mkdtempDisposableSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { makeDirectories, makeDirectoriesInPool } from "../../../src/lib/make-directories.ts";

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe.each([
  ["on the main thread", async (path: string, mode?: number) => makeDirectories(path, mode)],
  ["in the pool", makeDirectoriesInPool],
] as const)("making directories %s", (_where, make) => {
  test("makes what is missing, with the bits asked for at its end and the usual ones above", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-directories-"));
    const path = join(place.path, "a", "b");
    expect([await make(path, 0o700), await make(path, 0o711)]).toEqual([true, false]);
    expect([modeOf(path), modeOf(join(place.path, "a"))]).toEqual([0o700, 0o777 & ~process.umask()]);
  });

  test("takes a link to a directory for one, and ends where nothing can be made", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-directories-"));
    symlinkSync(".", join(place.path, "link"));
    writeFileSync(join(place.path, "file"), "");
    expect([await make(join(place.path, "link")), await make(join(place.path, "link", "a"))]).toEqual([false, true]);
    await expect(make(join(place.path, "file", "a"))).rejects.toMatchObject({ code: "ENOTDIR" });
    await expect(make("/proc/nowhere/a")).rejects.toMatchObject({ code: "ENOENT" });
  });
});
