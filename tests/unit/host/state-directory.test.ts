import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SandboxError } from "../../../src/errors.ts";
import { findLeftState, makeStateDirectory, removeLeftState } from "../../../src/host/state-directory.ts";
import { startLinkSwapper } from "../../helpers/link-swapper.ts";
import { skipTest } from "../../helpers/skip.ts";

const modeOf = (path: string): number => statSync(path).mode & 0o7777;
const place = (): Disposable & { path: string } => mkdtempDisposableSync(join(tmpdir(), "guestd-state-"));

test("what was in a named directory stays, and so do its bits", async () => {
  using parent = place();
  chmodSync(parent.path, 0o1777);
  writeFileSync(join(parent.path, "precious"), "");
  {
    await using first = makeStateDirectory(parent.path);
    await using second = makeStateDirectory(parent.path);
    expect(first.path).not.toBe(second.path);
    expect(readdirSync(parent.path)).toHaveLength(3);
    expect([modeOf(first.path), modeOf(parent.path)]).toEqual([0o711, 0o1777]);
    writeFileSync(join(first.path, "spilled"), "");
    expect(readdirSync(first.self)).toContain("spilled");
  }
  expect(readdirSync(parent.path)).toEqual(["precious"]);
  expect(modeOf(parent.path)).toBe(0o1777);
});

test("a directory that was made is removed with what is in it, unless somebody else has put something there", async () => {
  using parent = place();
  const [alone, shared] = [join(parent.path, "alone"), join(parent.path, "shared")];
  await makeStateDirectory(alone)[Symbol.asyncDispose]();
  expect(existsSync(alone)).toBe(false);
  {
    await using _state = makeStateDirectory(shared);
    mkdirSync(join(shared, "theirs"));
  }
  expect(readdirSync(shared)).toEqual(["theirs"]);
});

test("where it cannot be it says what to name", () => {
  using parent = place();
  const file = join(parent.path, "file");
  writeFileSync(file, "");
  expect(() => makeStateDirectory(join(file, "below"))).toThrow(/--state-dir.*not a directory/);
  expect(() => makeStateDirectory("/proc/nowhere")).toThrow(SandboxError);
});

/** Moves `path` away and puts a link to a directory with a file in its place. */
function exchange(parent: string, path: string): { away: string; outside: string } {
  const [away, outside] = [join(parent, "away"), join(parent, "outside")];
  mkdirSync(outside, { mode: 0o750 });
  mkdirSync(join(outside, "folder"));
  writeFileSync(join(outside, "file"), "");
  renameSync(path, away);
  symlinkSync(outside, path);
  return { away, outside };
}

function expectUntouched(outside: string): void {
  expect(readdirSync(outside).toSorted()).toEqual(["file", "folder"]);
  expect(modeOf(outside)).toBe(0o750);
}

/** Makes nested directories, deeper than a path may be long. */
function nest(directory: string, levels: number): void {
  let fd = openSync(directory, "r");
  for (let level = 0; level < levels; level += 1) {
    const path = `/proc/self/fd/${fd}/${"n".repeat(200)}`;
    mkdirSync(path);
    writeFileSync(`/proc/self/fd/${fd}/file`, "");
    const next = openSync(path, "r");
    closeSync(fd);
    fd = next;
  }
  closeSync(fd);
}

const NOT_UTF8 = Buffer.from([0xff]);
const inDirectory = (path: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${path}/`), name]);

describe("at the end", () => {
  test("a link in the place of the directory is not followed: that one is emptied which was made", async () => {
    using parent = place();
    const kept: string[] = [];
    const state = makeStateDirectory(parent.path, (path, why) => kept.push(`${path}: ${why}`));
    mkdirSync(join(state.path, "logs"));
    const { away, outside } = exchange(parent.path, state.path);
    await state[Symbol.asyncDispose]();
    expectUntouched(outside);
    expect(readdirSync(away)).toEqual([]);
    expect(kept).toEqual([expect.stringContaining("ENOTDIR")]);
  });

  test("names that are not UTF-8, and trees deeper than a path is long, go too", async () => {
    using parent = place();
    const kept: string[] = [];
    {
      await using state = makeStateDirectory(parent.path, (path, why) => kept.push(`${path}: ${why}`));
      writeFileSync(inDirectory(state.path, NOT_UTF8), "");
      mkdirSync(join(state.path, "uploads"));
      mkdirSync(inDirectory(join(state.path, "uploads"), NOT_UTF8));
      writeFileSync(inDirectory(join(state.path, "uploads"), Buffer.from([0xff, 0x2f, 0xfe])), "");
      nest(join(state.path, "uploads"), 150);
    }
    expect([kept, readdirSync(parent.path)]).toEqual([[], []]);
  });

  test("what cannot be removed is told, stays with the lock, and all else goes: also a mount, which is not entered", async (context) => {
    using parent = place();
    const kept: string[] = [];
    const state = makeStateDirectory(parent.path, (path, why) => kept.push(`${path}: ${why}`));
    for (const name of ["a", "mount", "z"]) mkdirSync(join(state.path, "uploads", name), { recursive: true });
    const mount = join(state.path, "uploads", "mount");
    const { status } = spawnSync("mount", ["-t", "tmpfs", "none", mount]);
    if (status !== 0) {
      await state[Symbol.asyncDispose]();
      skipTest(context, "nothing can be mounted");
    }
    writeFileSync(join(mount, "theirs"), "");
    try {
      await state[Symbol.asyncDispose]();
      expect(readdirSync(mount)).toEqual(["theirs"]);
    } finally {
      spawnSync("umount", [mount]);
    }
    expect(kept).toEqual([expect.stringMatching(/EBUSY.*'mount'$/)]);
    expect(readdirSync(state.path).toSorted()).toEqual(["guestd.lock", "uploads"]);
    expect(readdirSync(join(state.path, "uploads"))).toEqual(["mount"]);
    expect(findLeftState(parent.path, () => undefined)).toEqual([state.path]);
    expect(await removeLeftState(state.path, new AbortController().signal)).toEqual({});
    expect(readdirSync(parent.path)).toEqual([]);
  });

  test("what was made for one that cannot be made goes again", async () => {
    using root = place();
    // So long that no name fits behind it any more.
    let parent = root.path;
    while (parent.length < 3900) parent = join(parent, "d".repeat(150));
    mkdirSync(parent, { recursive: true });
    const wanted = join(parent, "d".repeat(4090 - parent.length));
    expect(() => makeStateDirectory(wanted)).toThrow(/cannot keep anything in/);
    await expect.poll(() => readdirSync(parent)).toEqual([]);
  });

  test("disposing again does nothing", async () => {
    using parent = place();
    const state = makeStateDirectory(parent.path);
    await state[Symbol.asyncDispose]();
    await state[Symbol.asyncDispose]();
    expect(readdirSync(parent.path)).toEqual([]);
  });
});

/** One whose lock nobody holds any more, beside the one that it is like. */
function leaveState(parent: string): string {
  const { path } = makeStateDirectory(parent);
  const copy = join(parent, "guestd-aB3dE6");
  cpSync(path, copy, { recursive: true });
  return copy;
}

/** Removes what is left; how many, and why others are not. */
async function removeLeft(parent: string): Promise<{ removed: number; faults: string[] }> {
  let removed = 0;
  const faults: string[] = [];
  for (const path of findLeftState(parent, () => undefined)) {
    const outcome = await removeLeftState(path, new AbortController().signal);
    if (outcome?.why !== undefined) faults.push(outcome.why);
    else if (outcome) removed += 1;
  }
  return { removed, faults };
}

const MANY = 300;
/** With as many files, always of the same names. */
function fill(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (let index = 0; index < MANY; index += 1) {
    try {
      writeFileSync(join(directory, String(index)), "");
    } catch {
      // It is being swapped.
    }
  }
}

const NOTHING = { removed: 0, faults: [] };
const ONE = { removed: 1, faults: [] };

describe("what a killed daemon has left", () => {
  test("is removed; what is held, or was made otherwise, stays", async () => {
    using parent = place();
    const left = leaveState(parent.path);
    const [live = ""] = readdirSync(parent.path).filter((name) => join(parent.path, name) !== left);
    const lock = join(parent.path, live, "guestd.lock");
    mkdirSync(join(left, "uploads", "deep"), { recursive: true });
    writeFileSync(join(parent.path, "precious"), "");
    symlinkSync(parent.path, join(left, "uploads", "link"));
    // Names like ours without a lock, with a lock that is none, with one that somebody else holds, and links to all that.
    mkdirSync(join(parent.path, "guestd-backup"));
    mkdirSync(join(parent.path, "guestd-noLock"));
    writeFileSync(
      join(parent.path, "guestd-noLock", "guestd.lock"),
      "something else, and longer than what guestd writes into its own",
    );
    mkdirSync(join(parent.path, "guestd-linked"));
    symlinkSync(lock, join(parent.path, "guestd-linked", "guestd.lock"));
    cpSync(left, join(parent.path, "guestd-longer-name"), { recursive: true });
    symlinkSync("guestd-longer-name", join(parent.path, "guestd-Link11"));
    const before = readdirSync(parent.path);
    expect(await removeLeft(parent.path)).toEqual(ONE);
    expect(readdirSync(parent.path)).toEqual(before.filter((name) => name !== "guestd-aB3dE6"));
    expect(readdirSync(join(parent.path, "guestd-longer-name"))).toContain("uploads");
    expect(await removeLeft(parent.path)).toEqual(NOTHING);
    expect(await removeLeft(join(parent.path, "nowhere"))).toEqual(NOTHING);
  });

  test("is visited once as itself; a link that comes in its place meanwhile is neither followed nor removed", async () => {
    using parent = place();
    const left = leaveState(parent.path);
    let outside = "";
    const found = findLeftState(parent.path, (self) => {
      ({ outside } = exchange(parent.path, left));
      expect(readdirSync(self)).toEqual(["guestd.lock"]);
    });
    expect(found).toEqual([left]);
    expect(await removeLeftState(left, new AbortController().signal)).toBeUndefined();
    expectUntouched(outside);
    expect(readdirSync(join(parent.path, "away"))).toEqual(["guestd.lock"]);
  });

  test("is found, whatever goes wrong with what is in another", () => {
    using parent = place();
    const left = ["guestd-aaaaaa", "guestd-bbbbbb"].map((name) => join(parent.path, name));
    for (const path of left) renameSync(leaveState(parent.path), path);
    const found = findLeftState(parent.path, () => {
      throw new Error("its record cannot be removed");
    });
    expect(found.toSorted()).toEqual(left);
  });

  test("stays where there is no time for it, with its lock", async () => {
    using parent = place();
    const left = leaveState(parent.path);
    writeFileSync(join(left, "file"), "");
    expect((await removeLeftState(left, AbortSignal.abort()))?.why).toMatch(/no time/);
    expect(readdirSync(left).toSorted()).toEqual(["file", "guestd.lock"]);
    expect(await removeLeft(parent.path)).toEqual(ONE);
  });

  test("has no link followed that comes in the place of a directory in it, again and again", async () => {
    using parent = place();
    const left = leaveState(parent.path);
    const [outside, shared] = [join(parent.path, "outside"), join(left, "uploads")];
    fill(outside);
    await using swapper = await startLinkSwapper(join(shared, "swapped"), outside, "directory");
    for (let round = 0; round < 60 || (await swapper.swaps()) < 300; round += 1) {
      // Root's own, but users may rename what is in it.
      mkdirSync(shared, { recursive: true });
      chmodSync(shared, 0o777);
      fill(join(shared, "swapped"));
      await removeLeft(parent.path);
      expect(readdirSync(outside)).toHaveLength(MANY);
      if (!existsSync(left)) leaveState(parent.path);
    }
  });

  test("does not hold up the loop, however many files it has", async () => {
    using parent = place();
    const left = leaveState(parent.path);
    fill(join(left, "uploads"));
    let turns = 0;
    const ticking = setInterval(() => (turns += 1), 0);
    expect(await removeLeft(parent.path)).toEqual(ONE);
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(2);
  });

  test.runIf(process.geteuid?.() === 0)(
    "of another user's stays, and of users' directories in it nothing outside is touched",
    async () => {
      using parent = place();
      const left = leaveState(parent.path);
      const theirs = join(left, "uploads", "61001");
      const outside = join(parent.path, "outside");
      mkdirSync(join(theirs, "a"), { recursive: true });
      mkdirSync(outside, { mode: 0o755 });
      writeFileSync(join(outside, "file"), "");
      symlinkSync(outside, join(theirs, "a", "link"));
      for (const path of [join(theirs, "a"), theirs]) chownSync(path, 61_001, 61_001);
      chownSync(left, 61_001, 61_001);
      expect(await removeLeft(parent.path)).toEqual(NOTHING);
      chownSync(left, 0, 0);
      expect(await removeLeft(parent.path)).toEqual(ONE);
      expect([existsSync(left), readdirSync(outside)]).toEqual([false, ["file"]]);
    },
  );
});
