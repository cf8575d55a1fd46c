import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SandboxError } from "../../../src/errors.ts";
import { makeStateDirectory, removeLeftState } from "../../../src/host/state-directory.ts";

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

test("what was in a named directory stays, and so do its bits", () => {
  using place = mkdtempDisposableSync(join(tmpdir(), "guestd-state-"));
  chmodSync(place.path, 0o1777);
  writeFileSync(join(place.path, "precious"), "");
  {
    using first = makeStateDirectory(place.path);
    using second = makeStateDirectory(place.path);
    expect(first.path).not.toBe(second.path);
    expect(readdirSync(place.path)).toHaveLength(3);
    expect([modeOf(first.path), modeOf(place.path)]).toEqual([0o711, 0o1777]);
    writeFileSync(join(first.path, "spilled"), "");
  }
  expect(readdirSync(place.path)).toEqual(["precious"]);
  expect(modeOf(place.path)).toBe(0o1777);
});

test("a directory that was made is removed with what is in it, unless somebody else has put something there", () => {
  using place = mkdtempDisposableSync(join(tmpdir(), "guestd-state-"));
  const [alone, shared] = [join(place.path, "alone"), join(place.path, "shared")];
  makeStateDirectory(alone)[Symbol.dispose]();
  expect(existsSync(alone)).toBe(false);
  {
    using _state = makeStateDirectory(shared);
    mkdirSync(join(shared, "theirs"));
  }
  expect(readdirSync(shared)).toEqual(["theirs"]);
});

test("where it cannot be it says what to name", () => {
  using place = mkdtempDisposableSync(join(tmpdir(), "guestd-state-"));
  const file = join(place.path, "file");
  writeFileSync(file, "");
  expect(() => makeStateDirectory(join(file, "below"))).toThrow(/--state-dir.*not a directory/);
  expect(() => makeStateDirectory("/proc/nowhere")).toThrow(SandboxError);
});

/** One whose lock nobody holds any more, beside the one that it is like. */
function leaveState(parent: string): string {
  const { path } = makeStateDirectory(parent);
  const copy = join(parent, "guestd-aB3dE6");
  cpSync(path, copy, { recursive: true });
  return copy;
}

describe("what a killed daemon has left", () => {
  test("is removed; what is held, or was made otherwise, stays", () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-state-"));
    const left = leaveState(place.path);
    const [live = ""] = readdirSync(place.path).filter((name) => join(place.path, name) !== left);
    const lock = join(place.path, live, "guestd.lock");
    mkdirSync(join(left, "uploads", "deep"), { recursive: true });
    writeFileSync(join(place.path, "precious"), "");
    symlinkSync(place.path, join(left, "uploads", "link"));
    // Names like ours without a lock, with a lock that is none, with one that somebody else holds, and links to all that.
    mkdirSync(join(place.path, "guestd-backup"));
    mkdirSync(join(place.path, "guestd-noLock"));
    writeFileSync(
      join(place.path, "guestd-noLock", "guestd.lock"),
      "something else, and longer than what guestd writes into its own",
    );
    mkdirSync(join(place.path, "guestd-linked"));
    symlinkSync(lock, join(place.path, "guestd-linked", "guestd.lock"));
    cpSync(left, join(place.path, "guestd-longer-name"), { recursive: true });
    symlinkSync("guestd-longer-name", join(place.path, "guestd-Link11"));
    const before = readdirSync(place.path);
    expect(removeLeftState(place.path)).toBe(1);
    expect(readdirSync(place.path)).toEqual(before.filter((name) => name !== "guestd-aB3dE6"));
    expect(readdirSync(join(place.path, "guestd-longer-name"))).toContain("uploads");
    expect([removeLeftState(place.path), removeLeftState(join(place.path, "nowhere"))]).toEqual([0, 0]);
  });

  test.runIf(process.geteuid?.() === 0)(
    "of another user's stays, and of users' directories in it nothing outside is touched",
    () => {
      using place = mkdtempDisposableSync(join(tmpdir(), "guestd-state-"));
      const left = leaveState(place.path);
      const theirs = join(left, "uploads", "61001");
      const outside = join(place.path, "outside");
      mkdirSync(join(theirs, "a"), { recursive: true });
      mkdirSync(outside, { mode: 0o755 });
      writeFileSync(join(outside, "file"), "");
      symlinkSync(outside, join(theirs, "a", "link"));
      for (const path of [join(theirs, "a"), theirs]) chownSync(path, 61_001, 61_001);
      chownSync(left, 61_001, 61_001);
      expect(removeLeftState(place.path)).toBe(0);
      chownSync(left, 0, 0);
      expect(removeLeftState(place.path)).toBe(1);
      expect([existsSync(left), readdirSync(outside)]).toEqual([false, ["file"]]);
    },
  );
});
