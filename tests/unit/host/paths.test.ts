import { describe, expect, test } from "vitest";
import { checkPath, resolvePath } from "../../../src/host/paths.ts";
import type { Identity } from "../../../src/host/users.ts";

const USER: Identity = { name: "ann", uid: 1, gid: 1, groups: [1], home: "/home/ann", shell: "/bin/sh" };
const resolve = (path: string, defaultDirectory?: string): string => resolvePath(path, USER, defaultDirectory);

describe("a path as callers write it", () => {
  test.each([
    ["", "/home/ann"],
    ["~", "/home/ann"],
    ["~/", "/home/ann/"],
    ["~/x", "/home/ann/x"],
    ["~\\x", "/home/ann/x"],
    ["~/../bob", "/home/bob"],
    ["x", "/home/ann/x"],
    ["./x//y/../z", "/home/ann/x/z"],
    ["../bob", "/home/bob"],
    ["../../../..", "/"],
    [".", "/home/ann"],
    ["a ~ b", "/home/ann/a ~ b"],
    ["x\\y", "/home/ann/x\\y"],
    ["ünï/😀", "/home/ann/ünï/😀"],
  ])("%j means %j", (path, resolved) => {
    expect(resolve(path).replace(/(.)\/$/, "$1")).toBe(resolved.replace(/(.)\/$/, "$1"));
  });

  test.each(["/", "/a/../b//c", "/a/./b/", "//x", "/ trailing ", "/~", "/a\nb"])(
    "%j is absolute and comes back as it was",
    (path) => {
      expect(resolve(path, "/elsewhere")).toBe(path);
    },
  );

  test("a relative one loses its final slash with the cleaning", () => {
    expect([resolve("x/"), resolve("~/x/"), resolve("./")]).toEqual(["/home/ann/x", "/home/ann/x", "/home/ann"]);
  });

  test.each(["~bob", "~bob/x", "~~", "~ "])("%j is somebody else's home, which nobody expands", (path) => {
    expect(() => resolve(path)).toThrowError(
      expect.objectContaining({
        code: "invalid_argument",
        message: "failed to expand path '' for user 'ann': cannot expand user-specific home dir",
      }),
    );
  });
});

describe("the default directory", () => {
  test("is where the empty path leads, and only that", () => {
    expect(resolve("", "/work")).toBe("/work");
    expect([resolve("x", "/work"), resolve("~", "/work")]).toEqual(["/home/ann/x", "/home/ann"]);
  });

  test("is itself a path as callers write it", () => {
    expect(resolve("", "~/project")).toBe("/home/ann/project");
    expect(resolve("", "project")).toBe("/home/ann/project");
  });
});

describe("what no system call could take", () => {
  test.each(["a\0b", "/a\0b", "~/a\0", "\0"])("%j: a NUL byte", (path) => {
    expect(() => resolve(path)).toThrowError(expect.objectContaining({ code: "invalid_argument" }));
    expect(() => checkPath(path)).toThrowError(/NUL byte/);
  });

  test("a name longer than 255 bytes, counted in bytes", () => {
    for (const [name, isTaken] of [
      ["x".repeat(255), true],
      ["x".repeat(256), false],
      ["ä".repeat(127), true],
      ["ä".repeat(128), false],
      ["€".repeat(85), true],
      ["€".repeat(86), false],
    ] as const) {
      for (const path of [`/tmp/${name}`, `/tmp/${name}/x`, `~/${name}`, name]) {
        if (isTaken) expect(() => resolve(path)).not.toThrow();
        else expect(() => resolve(path)).toThrowError(expect.objectContaining({ code: "invalid_argument" }));
      }
    }
  });

  test("a path longer than 4095 bytes", () => {
    const path = `/${"ab/".repeat(1364)}`; // 4093 bytes
    expect(() => resolve(`${path}cd`)).not.toThrow();
    expect(() => resolve(`${path}cde`)).toThrowError(/4095 bytes: file name too long/);
  });

  test("the message repeats a long name, but no path of megabytes", () => {
    try {
      resolve(`/${"x/".repeat(1_000_000)}`);
      expect.unreachable();
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(1000);
    }
  });
});
