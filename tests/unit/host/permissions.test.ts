import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canEnterDirectory, canReach, copyReadable } from "../../../src/host/permissions.ts";
import type { Identity } from "../../../src/host/users.ts";

const isRoot = process.geteuid?.() === 0;
const ROOT: Identity = { name: "root", uid: 0, gid: 0, groups: [0], home: "/root", shell: "/bin/sh" };
const SOMEBODY: Identity = { name: "x", uid: 54_321, gid: 54_321, groups: [54_321, 4321], home: "/", shell: "/bin/sh" };
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-permissions-"));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function makeFolder(name: string, mode: number, owner?: [uid: number, gid: number]): string {
  const path = join(folder, name);
  mkdirSync(path);
  if (owner) chownSync(path, ...owner);
  chmodSync(path, mode);
  return path;
}

describe("whether a user gets to a file", () => {
  test("root always does", () => {
    expect(canReach(ROOT, join(makeFolder("closed", 0o000), "file"))).toBe(true);
  });

  test("others need every folder on the way open for them", () => {
    expect(canReach(SOMEBODY, join(makeFolder("open", 0o711), "file"))).toBe(true);
    const closed = makeFolder("closed", 0o700);
    expect(canReach(SOMEBODY, join(closed, "file"))).toBe(false);
    chmodSync(closed, 0o755);
    mkdirSync(join(closed, "inner"));
    chmodSync(closed, 0o700);
    expect(canReach(SOMEBODY, join(closed, "inner", "file"))).toBe(false);
  });

  test("what is not there cannot be reached", () => {
    expect(canReach(SOMEBODY, join(folder, "nowhere", "file"))).toBe(false);
    writeFileSync(join(folder, "file"), "");
    expect(canReach(SOMEBODY, join(folder, "file", "below"))).toBe(false);
  });

  test.skipIf(!isRoot)("the owner's bits count for the owner, the group's for members, and only those", () => {
    expect(canReach(SOMEBODY, join(makeFolder("own", 0o100, [54_321, 1]), "f"))).toBe(true);
    expect(canReach(SOMEBODY, join(makeFolder("own-closed", 0o011, [54_321, 1]), "f"))).toBe(false);
    expect(canReach(SOMEBODY, join(makeFolder("group", 0o010, [1, 4321]), "f"))).toBe(true);
    expect(canReach(SOMEBODY, join(makeFolder("group-closed", 0o101, [1, 4321]), "f"))).toBe(false);
    expect(canReach(SOMEBODY, join(makeFolder("other", 0o001, [1, 1]), "f"))).toBe(true);
  });
});

describe("whether a program can start in a directory", () => {
  test("it must be one, and open", () => {
    writeFileSync(join(folder, "file"), "");
    expect(canEnterDirectory(SOMEBODY, makeFolder("open", 0o711))).toBe(true);
    expect(canEnterDirectory(SOMEBODY, makeFolder("closed", 0o700))).toBe(false);
    expect(canEnterDirectory(ROOT, join(folder, "file"))).toBe(false);
    expect(canEnterDirectory(ROOT, join(folder, "nowhere"))).toBe(false);
  });

  test("what cannot even be looked at is none: no exception", () => {
    symlinkSync("loop", join(folder, "loop"));
    writeFileSync(join(folder, "file"), "");
    for (const path of [join(folder, "loop"), join(folder, "file", "below"), `/${"x".repeat(300)}`]) {
      expect(canEnterDirectory(ROOT, path)).toBe(false);
    }
  });
});

describe("a copy that everybody can read", () => {
  test("has the same content and times, is open, and keeps what was executable so", () => {
    const from = makeFolder("from", 0o700);
    writeFileSync(join(from, "plain"), "text", { mode: 0o600 });
    writeFileSync(join(from, "script"), "#!/bin/sh\n", { mode: 0o700 });
    mkdirSync(join(from, "inner"), { mode: 0o700 });
    writeFileSync(join(from, "inner", "deep"), "deep", { mode: 0o400 });
    symlinkSync(join(from, "plain"), join(from, "link"));
    const to = join(folder, "to");
    copyReadable(from, to);
    const modeOf = (name: string): number => statSync(join(to, name)).mode & 0o777;
    expect(["", "inner", "plain", "script", "inner/deep", "link"].map(modeOf)).toEqual([
      0o755, 0o755, 0o644, 0o744, 0o444, 0o644,
    ]);
    expect(readFileSync(join(to, "inner", "deep"), "utf8")).toBe("deep");
    expect(readFileSync(join(to, "link"), "utf8")).toBe("text");
    expect(statSync(join(to, "plain")).mtimeMs).toBeCloseTo(statSync(join(from, "plain")).mtimeMs, 0);
  });

  test("replaces one that is there, with what is no longer in it", () => {
    const from = makeFolder("from", 0o755);
    const to = join(folder, "to");
    writeFileSync(join(from, "old"), "1");
    copyReadable(from, to);
    rmSync(join(from, "old"));
    writeFileSync(join(from, "new"), "2");
    copyReadable(from, to);
    expect([existsSync(join(to, "new")), existsSync(join(to, "old"))]).toEqual([true, false]);
  });
});
