import { chmodSync, existsSync, mkdirSync, mkdtempDisposableSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SandboxError } from "../../../src/errors.ts";
import { makeStateDirectory } from "../../../src/host/state-directory.ts";

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
