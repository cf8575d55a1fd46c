import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ExecContext } from "../../../src/host/exec-context.ts";
import { Users } from "../../../src/host/users.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-exec-"));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "ann"));
  writeFileSync(join(folder, "file"), "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Options = Partial<ConstructorParameters<typeof ExecContext>[0]>;

/** Accounts `ann` (with a home) and `bob` (whose home is missing), and `user` if wanted. */
function createContext(options: Options = {}, more = ""): ExecContext {
  const lines = `root:x:0:0::/root:/bin/sh\nann:x:5001:5001::${folder}/ann:/bin/sh\nbob:x:5002:5002::${folder}/bob:/bin/sh\n`;
  writeFileSync(join(folder, "passwd"), lines + more);
  writeFileSync(join(folder, "group"), "");
  const users = new Users({ passwd: join(folder, "passwd"), group: join(folder, "group") });
  return new ExecContext({ users, path: "/bin", ...options });
}

const REQUEST = { argv: ["/bin/true"], hasStdin: false } as const;
const cwdOf = async (exec: ExecContext, cwd: string | undefined, user = "ann"): Promise<string> =>
  (await exec.program({ ...REQUEST, cwd, user })).cwd;

describe("who acts when nobody is named", () => {
  test("is the one that was configured, else the account user if we can be it, else who guestd runs as", () => {
    const ownUid = process.geteuid?.() ?? 0;
    expect(createContext({ defaultUser: "bob" }, "user:x:9:9::/u:/bin/sh\n").defaultUser.name).toBe("bob");
    expect(createContext({}, "user:x:9:9::/u:/bin/sh\n").defaultUser.uid).toBe(ownUid === 0 ? 9 : ownUid);
    expect(createContext({}, `user:x:${ownUid}:9::/u:/bin/sh\n`).defaultUser.name).toBe("user");
    expect(createContext().defaultUser.uid).toBe(ownUid);
  });

  test("can be replaced, and is looked up anew each time", () => {
    const exec = createContext();
    exec.setDefaultUser("ann");
    expect([exec.defaultUser.name, exec.user(undefined).name, exec.user("bob").name]).toEqual(["ann", "ann", "bob"]);
    exec.setDefaultUser("ghost");
    expect(() => exec.defaultUser).toThrowError(expect.objectContaining({ code: "unauthenticated" }));
  });

  test("a name that is no account is unauthenticated", async () => {
    await expect(createContext().program({ ...REQUEST, user: "ghost" })).rejects.toMatchObject({
      code: "unauthenticated",
      message: "invalid username: 'ghost'",
    });
  });
});

describe("where a program starts", () => {
  test("is home unless told, and what the caller writes means what it means to the user", async () => {
    const exec = createContext();
    mkdirSync(join(folder, "ann", "work"));
    expect(await cwdOf(exec, undefined)).toBe(join(folder, "ann"));
    expect(await cwdOf(exec, "")).toBe(join(folder, "ann"));
    expect(await cwdOf(exec, "work")).toBe(join(folder, "ann", "work"));
    expect(await cwdOf(exec, "~/work")).toBe(join(folder, "ann", "work"));
    expect(await cwdOf(exec, "/tmp/../tmp")).toBe("/tmp/../tmp");
  });

  test("is the default directory when there is one and the caller names none", async () => {
    const exec = createContext({ defaultDirectory: "/usr" });
    expect([await cwdOf(exec, undefined), await cwdOf(exec, "~")]).toEqual(["/usr", join(folder, "ann")]);
    exec.setDefaultDirectory("/var");
    expect(await cwdOf(exec, undefined)).toBe("/var");
  });

  test("that is not there is the contract's error", async () => {
    await expect(cwdOf(createContext(), "/nope")).rejects.toMatchObject({
      code: "invalid_argument",
      reason: "cwd_missing",
      message: "cwd '/nope' does not exist",
    });
    await expect(cwdOf(createContext({ defaultDirectory: "/nope" }), undefined)).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });

  test("is / for somebody without a home who names no directory, as at a login; who names it is told", async () => {
    expect(await cwdOf(createContext(), undefined, "bob")).toBe("/");
    await expect(cwdOf(createContext(), "~", "bob")).rejects.toMatchObject({ reason: "cwd_missing" });
  });

  test("cannot be a file, or anything that the kernel would not open", async () => {
    symlinkSync("loop", join(folder, "loop"));
    const exec = createContext();
    for (const cwd of [
      join(folder, "file"),
      join(folder, "file", "below"),
      join(folder, "loop"),
      "~bob",
      "/a\0b",
      `/${"x".repeat(300)}`,
    ]) {
      await expect(cwdOf(exec, cwd)).rejects.toMatchObject({ code: "invalid_argument" });
    }
  });
});

describe("the environment of a program", () => {
  test("is the login's, then /init's, then guestd's own, then the caller's", () => {
    const exec = createContext({ internalEnv: { E2B_SANDBOX: "true" } });
    exec.setGlobalEnv({ A: "global", B: "global", E2B_SANDBOX: "forged", HOME: "/global" });
    exec.setInternalEnv({ ID: "7" });
    expect(exec.environment(exec.user("ann"), { B: "call", ID: "call" })).toEqual({
      PATH: "/bin",
      USER: "ann",
      LOGNAME: "ann",
      HOME: "/global",
      A: "global",
      B: "call",
      E2B_SANDBOX: "true",
      ID: "call",
    });
  });

  test("replaces all global variables at once, and keeps the old ones when the new cannot be", () => {
    const exec = createContext();
    exec.setGlobalEnv({ A: "1" });
    expect(() => exec.setGlobalEnv({ B: "2", C: "\0" })).toThrowError(
      expect.objectContaining({ code: "invalid_argument" }),
    );
    expect(exec.globalEnv).toEqual({ A: "1" });
    exec.setGlobalEnv({});
    expect(exec.globalEnv).toEqual({});
  });

  test("does not change with the object that it was made from", () => {
    const exec = createContext();
    const mine = { A: "1" };
    exec.setGlobalEnv(mine);
    mine.A = "2";
    expect(exec.globalEnv).toEqual({ A: "1" });
  });
});

describe("a directory that may not be usable", () => {
  test("is taken if it can be entered, else home, else /", () => {
    const exec = createContext();
    const [ann, bob] = [exec.user("ann"), exec.user("bob")];
    expect(exec.directoryOrHome("/usr", ann)).toBe("/usr");
    expect(exec.directoryOrHome("/nope", ann)).toBe(join(folder, "ann"));
    expect(exec.directoryOrHome("/nope", bob)).toBe("/");
  });

  test("is never an exception, however it is written", () => {
    symlinkSync("loop", join(folder, "loop"));
    const exec = createContext();
    for (const cwd of ["~bob", join(folder, "loop"), join(folder, "file", "x"), `/${"x".repeat(5000)}`, "/a\0b"]) {
      expect(exec.directoryOrHome(cwd, exec.user("ann"))).toBe(join(folder, "ann"));
    }
  });
});
