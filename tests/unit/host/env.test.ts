import { describe, expect, test } from "vitest";
import { buildEnvironment, checkEnvironment, programPath } from "../../../src/host/env.ts";
import type { Identity } from "../../../src/host/users.ts";

const USER: Identity = { name: "ann", uid: 1, gid: 1, groups: [1], home: "/home/ann", shell: "/bin/zsh" };

describe("checkEnvironment", () => {
  test("takes whatever execve takes", () => {
    checkEnvironment({ A: "", b: "=", "with space": "x\ny", ünï: "😀", "1": "'\"$`\\", "A.B-C": "x".repeat(100_000) });
  });

  test.each([
    ["", "is empty"],
    ["A=B", "contains '='"],
    ["A\0B", "contains a NUL byte"],
  ])("refuses the name %j and says why", (name, why) => {
    expect(() => checkEnvironment({ FINE: "x", [name]: "secret" })).toThrowError(
      expect.objectContaining({
        code: "invalid_argument",
        message: `environment variable name ${JSON.stringify(name)} ${why}`,
      }),
    );
  });

  test("names the variable whose value has a NUL byte, and never repeats the value", () => {
    try {
      checkEnvironment({ TOKEN: "hush\0hush" });
      expect.unreachable();
    } catch (error) {
      expect((error as Error).message).toContain('"TOKEN"');
      expect((error as Error).message).not.toContain("hush");
    }
  });
});

describe("a variable that is longer than the kernel takes", () => {
  /** Longest `NAME=VALUE` with its final NUL (MAX_ARG_STRLEN). */
  const MAX_BYTES = 128 * 1024;

  test("is refused by name: it would break every program that gets it", () => {
    checkEnvironment({ FITS: "x".repeat(MAX_BYTES - "FITS=".length - 1) });
    expect(() => checkEnvironment({ LONG: "x".repeat(MAX_BYTES - "LONG=".length) })).toThrowError(
      expect.objectContaining({
        code: "invalid_argument",
        message: expect.stringMatching(/^.{0,200}"LONG".{0,200}$/) as string,
      }),
    );
    expect(() => checkEnvironment({ WIDE: "€".repeat(MAX_BYTES / 3) })).toThrowError(/"WIDE"/);
  });
});

describe("buildEnvironment", () => {
  test("is what a login gives, and nothing of ours", () => {
    expect(buildEnvironment(USER, "/bin", [])).toEqual({
      PATH: "/bin",
      HOME: "/home/ann",
      USER: "ann",
      LOGNAME: "ann",
    });
  });

  test("later layers win, also over the login's variables", () => {
    const built = buildEnvironment(USER, "/bin", [
      { A: "1", HOME: "/x" },
      { A: "2", B: "3" },
    ]);
    expect(built).toMatchObject({ A: "2", B: "3", HOME: "/x", USER: "ann" });
  });

  test("keeps a variable with a name that JavaScript's objects know too", () => {
    const odd = JSON.parse('{"constructor": "c", "toString": "t"}') as Record<string, string>;
    expect(Object.entries(buildEnvironment(USER, "/bin", [odd]))).toEqual(
      expect.arrayContaining([
        ["constructor", "c"],
        ["toString", "t"],
      ]),
    );
  });
});

describe("programPath", () => {
  test("is our own, without what npm puts in front of it and what is relative", () => {
    const own = "/w/node_modules/.bin:/x/node-gyp-bin:.::bin:/usr/local/bin:/opt/node_modules/.bin/:/usr/bin";
    expect(programPath(own)).toBe("/usr/local/bin:/opt/node_modules/.bin/:/usr/bin");
  });

  test.each([undefined, "", ":", "/w/node_modules/.bin"])("%j gives the standard one", (own) => {
    expect(programPath(own)).toBe("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  });
});
