import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ExecContext } from "../../../src/host/exec-context.ts";
import { Users } from "../../../src/host/users.ts";
import { Launcher } from "../../../src/host/launcher.ts";
import { KernelRegistry, type RegistryOptions } from "../../../src/kernels/registry.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const isRoot = process.geteuid?.() === 0;
let root = "";
let launcher: Launcher;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-registry-"));
  chmodSync(root, 0o755);
  for (const name of ["kernels", "prepared", "staging", "bin"]) mkdirSync(join(root, name));
  launcher = new Launcher({ shimPath: join(REPOSITORY, "dist", "guestd-shim") });
});
afterEach(async () => {
  await launcher[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

interface KernelFolder {
  languages?: unknown;
  interpreters?: string[];
  env?: Record<string, string>;
  textUnits?: string;
  probe?: string[];
  mode?: number;
}

function addKernel(name: string, { mode = 0o755, ...members }: KernelFolder = {}): void {
  const folder = join(root, "kernels", name);
  mkdirSync(folder);
  const manifest = {
    languages: [{ name, aliases: [`${name[0]}x`] }],
    interpreters: ["good"],
    probe: ["{interpreter}", "probe", "{folder}"],
    command: ["{interpreter}", "{folder}/main"],
    fix: `install ${name}`,
    ...members,
  };
  writeFileSync(join(folder, "kernel.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "main"), "");
  chmodSync(folder, mode);
}

/** An executable on the search path, or where `folder` says. */
function addInterpreter(name: string, script: string, folder = join(root, "bin")): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

const answer = (version: string, rank?: number): string =>
  `echo '${JSON.stringify({ version, engine: "e", ...(rank !== undefined && { rank }) })}'`;

function createRegistry(options: Partial<RegistryOptions> = {}, user?: string): KernelRegistry {
  const exec = new ExecContext({ users: new Users(), path: `${join(root, "bin")}:/usr/bin:/bin`, defaultUser: user });
  return new KernelRegistry({
    folder: join(root, "kernels"),
    preparedFolder: join(root, "prepared"),
    stagingFolder: join(root, "staging"),
    enabled: undefined,
    launcher,
    exec,
    ...options,
  });
}

describe("languages", () => {
  beforeEach(() => {
    addKernel("alpha", {
      languages: [
        { name: "alpha", aliases: ["al", "a"], isDefault: true },
        { name: "alphatyped", args: ["--typed"] },
      ],
    });
    addKernel("beta", { textUnits: "lines" });
  });

  test("are listed in order of their kernels, the default ones apart", () => {
    const registry = createRegistry();
    expect([registry.languages, registry.defaults]).toEqual([["alpha", "alphatyped", "beta"], ["alpha"]]);
  });

  test("are meant in any case, with blanks around, and by an alias", () => {
    const registry = createRegistry();
    expect(["alpha", " ALPHA ", "Al", "a", "bx"].map((name) => registry.normalize(name))).toEqual([
      "alpha",
      "alpha",
      "alpha",
      "alpha",
      "beta",
    ]);
    expect(["", "gamma", "alph", "__proto__"].map((name) => registry.normalize(name))).toEqual(
      Array(4).fill(undefined),
    );
  });

  test("know how their text is counted", () => {
    const registry = createRegistry();
    expect([registry.isByLine("alpha"), registry.isByLine("beta")]).toEqual([false, true]);
  });

  test("that there are not are told with those there are", async () => {
    await expect(createRegistry().program("cobol", "/")).rejects.toMatchObject({
      code: "not_found",
      message: 'there is no kernel for language "cobol"',
      hint: "known: alpha, alphatyped, beta",
    });
  });

  test("may be limited to some, by alias too; a wrong name is an error that names those there are", () => {
    expect(createRegistry({ enabled: ["BX", "alphatyped"] }).languages).toEqual(["alphatyped", "beta"]);
    expect(createRegistry({ enabled: [] }).languages).toEqual([]);
    expect(() => createRegistry({ enabled: ["beta", "cobol"] })).toThrowError(
      expect.objectContaining({
        code: "invalid_argument",
        message: expect.stringContaining('"cobol"') as string,
        hint: "known: alpha, alphatyped, beta",
      }),
    );
  });
});

describe("interpreters", () => {
  test("are asked all, and the highest rank wins; of equals the first", async () => {
    addInterpreter("one", answer("1", 1));
    addInterpreter("two", answer("2", 5));
    addInterpreter("three", answer("3", 5));
    addKernel("toy", { interpreters: ["one", "two", "three", "nowhere"] });
    expect(await createRegistry().states()).toEqual([
      { language: "toy", aliases: ["tx"], isAvailable: true, version: "2", engine: "e", interpreter: "two" },
    ]);
  });

  test("that will not do say why, all of them, and the manifest what to do", async () => {
    addInterpreter("old", "echo noise >&2; echo 'too old' >&2; exit 3");
    addInterpreter("babbler", "echo this is no JSON");
    addInterpreter("mute", "exit 0");
    addInterpreter("killed", "kill -9 $$");
    addKernel("toy", { interpreters: ["old", "nowhere", "babbler", "mute", "killed"] });
    const [state] = await createRegistry().states();
    expect(state).toMatchObject({ isAvailable: false, fix: "install toy" });
    const why = state && "why" in state ? state.why : "";
    expect(why).toContain("old: too old");
    expect(why).toContain("nowhere: nowhere: not found");
    expect(why).toContain("killed: ended by SIGKILL");
    expect(why.split("; ")).toHaveLength(5);
    await expect(createRegistry().program("toy", "/")).rejects.toMatchObject({
      code: "unavailable",
      reason: "kernel_unavailable",
      hint: "install toy",
    });
  });

  test("may say more than the one line that counts, the last", async () => {
    addInterpreter("good", `echo warming up; ${answer("7", 1)}`);
    addKernel("toy");
    expect(await createRegistry().states()).toMatchObject([{ isAvailable: true, version: "7" }]);
  });

  test("may be the program that guestd itself runs on", async () => {
    addKernel("toy", { interpreters: ["{execPath}"], probe: ["{interpreter}", "--print", '\'{"version":"8"}\''] });
    const toolchain = createRegistry({}, "root");
    expect(await toolchain.states()).toMatchObject([
      { isAvailable: true, version: "8", interpreter: process.execPath },
    ]);
  });

  test("are found where the kernel was prepared", async () => {
    addInterpreter("run", answer("9", 1), join(root, "prepared", "toy", "bin"));
    addKernel("toy", { interpreters: ["{prepared}/bin/run"] });
    expect(await createRegistry().states()).toMatchObject([
      { interpreter: join(root, "prepared", "toy", "bin", "run") },
    ]);
  });

  test("are asked once, however often and in whatever parallel somebody wants to know", async () => {
    writeFileSync(join(root, "asked"), "");
    chmodSync(join(root, "asked"), 0o666);
    addInterpreter("good", `echo x >> ${root}/asked; ${answer("1", 1)}`);
    addKernel("toy");
    const registry = createRegistry();
    await Promise.all([registry.states(), registry.program("toy", "/"), registry.states()]);
    expect(readFileSync(join(root, "asked"), "utf8")).toBe("x\n");
  });
});

describe("the program of a kernel", () => {
  test("is the command with interpreter, folders and the language's own arguments, where and as whom it was asked for", async () => {
    const interpreter = addInterpreter("good", answer("1", 1));
    addKernel("toy", {
      interpreters: [interpreter],
      languages: [{ name: "toy", args: ["--strict", "{folder}", "{prepared}"] }],
    });
    const program = await createRegistry({}, new Users().self().name).program("toy", "/tmp");
    const folder = join(root, "kernels", "toy");
    expect(program).toMatchObject({
      argv: [interpreter, `${folder}/main`, "--strict", folder, join(root, "prepared", "toy")],
      cwd: "/tmp",
      hasStdin: false,
    });
    expect(program.identity.uid).toBe(process.geteuid?.());
  });

  test("has the manifest's variables on top of the context's", async () => {
    addInterpreter("good", answer("1", 1));
    addKernel("toy", { env: { ENCODING: "utf-8", LANG: "C.UTF-8" } });
    const exec = new ExecContext({ users: new Users(), path: `${join(root, "bin")}:/usr/bin:/bin` });
    exec.setGlobalEnv({ LANG: "de_DE", MINE: "1" });
    const { env } = await createRegistry({ exec }).program("toy", "/");
    expect(env).toMatchObject({ ENCODING: "utf-8", LANG: "C.UTF-8", MINE: "1", USER: exec.defaultUser.name });
  });
});

test("what says how the machine reaches the network is in a kernel's variables, below all others", () => {
  addKernel("toy", { env: { NO_PROXY: "toys" } });
  const networkEnv = { HTTPS_PROXY: "http://proxy:1", SSL_CERT_FILE: "/etc/ca.pem", NO_PROXY: "all" };
  const exec = new ExecContext({ users: new Users(), path: "/bin" });
  exec.setGlobalEnv({ SSL_CERT_FILE: "/mine.pem" });
  expect(createRegistry({ networkEnv, exec }).environment("toy", exec.defaultUser)).toMatchObject({
    HTTPS_PROXY: "http://proxy:1",
    SSL_CERT_FILE: "/mine.pem",
    NO_PROXY: "toys",
  });
});

describe.skipIf(!isRoot)("a kernel of another user", () => {
  test("is read where it is when that user can get there", async () => {
    addInterpreter("good", answer("1", 1));
    addKernel("toy");
    const { argv } = await createRegistry({}, "nobody").program("toy", "/");
    expect(argv[1]).toBe(join(root, "kernels", "toy", "main"));
  });

  test("is copied to where that user can read it when not, and probed and started there", async () => {
    addInterpreter("good", `test -r "$2/main" || { echo cannot read >&2; exit 1; }; ${answer("1", 1)}`);
    addKernel("toy", { mode: 0o700 });
    chmodSync(join(root, "kernels", "toy", "main"), 0o600);
    const { argv, identity } = await createRegistry({}, "nobody").program("toy", "/");
    expect([argv[1], identity.name]).toEqual([join(root, "staging", "toy", "main"), "nobody"]);
    expect(existsSync(join(root, "staging", "toy", "kernel.json"))).toBe(true);
  });

  test("is copied also when its folder is open but its files are not", async () => {
    addInterpreter("good", `cat "$2/main" >/dev/null || exit 1; ${answer("1", 1)}`);
    addKernel("toy");
    chmodSync(join(root, "kernels", "toy", "main"), 0o600);
    expect(await createRegistry({}, "nobody").states()).toMatchObject([{ isAvailable: true }]);
  });

  test("does not count an interpreter that only root can run", async () => {
    addInterpreter("good", answer("1", 1), join(root, "private"));
    chmodSync(join(root, "private"), 0o700);
    addKernel("toy", { interpreters: [join(root, "private", "good")] });
    const registry = createRegistry({}, "nobody");
    expect(await registry.states()).toMatchObject([
      { isAvailable: false, why: expect.stringContaining("Permission denied") as string },
    ]);
    expect(await createRegistry({}, "root").states()).toMatchObject([{ isAvailable: true }]);
  });
});

test("a folder of kernels that has none offers nothing", async () => {
  cpSync(join(root, "bin"), join(root, "kernels", "just-a-folder"), { recursive: true });
  const registry = createRegistry();
  expect([registry.languages, await registry.states()]).toEqual([[], []]);
});
