import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { REPOSITORY, startTestDaemon } from "../../helpers/daemon.ts";
import { installForEverybody } from "../../helpers/installation.ts";

const PYTHON = "/usr/bin/python3";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-setup-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs `kernels/setup.ts` of a checkout in `root` that has these files of one kernel. */
function setUp(files: Readonly<Record<string, string>>): void {
  const kernel = join(root, "kernels", "toy");
  mkdirSync(kernel, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(kernel, name), text);
  const setup = join(root, "kernels", "setup.ts");
  cpSync(join(REPOSITORY, "kernels", "setup.ts"), setup);
  symlinkSync(join(REPOSITORY, "src"), join(root, "src"));
  symlinkSync(join(REPOSITORY, "package.json"), join(root, "package.json"));
}

function runSetup(): void {
  const env = { PATH: process.env["PATH"], GUESTD_PREPARED_DIR: join(root, "prepared") };
  execFileSync(process.execPath, [join(root, "kernels", "setup.ts"), "--strict"], { env, stdio: ["ignore", 2, 2] });
}

/** The same beside other things. @throws with its status when it fails */
async function startSetup(): Promise<void> {
  const env = { PATH: process.env["PATH"], GUESTD_PREPARED_DIR: join(root, "prepared") };
  const setup = join(root, "kernels", "setup.ts");
  const child = spawn(process.execPath, [setup, "--strict"], { env, stdio: ["ignore", 2, 2] });
  const [status] = (await once(child, "exit")) as [number | null];
  if (status !== 0) throw new Error(`status ${status}`);
}

test("prepares a kernel once, and has it compiled each time: what only its own files change is not installed again", () => {
  const calls = join(root, "calls");
  setUp({
    "kernel.json": readFileSync(join(REPOSITORY, "kernels", "python", "kernel.json"), "utf8"),
    "prepare.sh": `echo "prepare $1" >>"${calls}"; cat "$(dirname "$0")"/packages.txt >/dev/null`,
    "packages.txt": "one",
    "compile.sh": `echo "compile $1" >>"${calls}"`,
    "driver.py": "1",
  });
  runSetup();
  appendFileSync(join(root, "kernels", "toy", "driver.py"), "2");
  runSetup();
  appendFileSync(join(root, "kernels", "toy", "packages.txt"), "two");
  runSetup();
  const lines = readFileSync(calls, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => line.split(" ")[0])).toEqual(["prepare", "compile", "compile", "prepare", "compile"]);
  // Each in a folder of its own, where it stays; the link is what everybody else goes by.
  const prepared = join(root, "prepared", "toy");
  expect(lines[1]).toBe(`compile ${prepared}`);
  expect(lines[3]).toBe(`prepare ${realpathSync(prepared)}`);
  expect(existsSync(lines[0]?.split(" ")[1] ?? "")).toBe(true);
});

test("set-ups at once wait for each other, and one that fails leaves what was there", async () => {
  const calls = join(root, "calls");
  setUp({
    "kernel.json": readFileSync(join(REPOSITORY, "kernels", "python", "kernel.json"), "utf8"),
    "prepare.sh": `echo begin >>"${calls}"; cat "$(dirname "$0")"/packages.txt >"$1/packages"; sleep 0.2; echo end >>"${calls}"; ! grep wrong "$1/packages"`,
    "packages.txt": "one",
  });
  await Promise.all([startSetup(), startSetup(), startSetup()]);
  expect(readFileSync(calls, "utf8")).toBe("begin\nend\n");
  const packages = join(root, "prepared", "toy", "packages");
  writeFileSync(join(root, "kernels", "toy", "packages.txt"), "wrong");
  await expect(startSetup()).rejects.toThrow("status 1");
  expect(readFileSync(packages, "utf8")).toBe("one");
  for (const text of ["two", "three", "four"]) {
    writeFileSync(join(root, "kernels", "toy", "packages.txt"), text);
    runSetup();
    expect(readFileSync(packages, "utf8")).toBe(text);
  }
  // The last one and the one before.
  const folders = readdirSync(join(root, "prepared")).filter((name) => name.startsWith(".toy-"));
  expect(folders.map((name) => readFileSync(join(root, "prepared", name, "packages"), "utf8")).toSorted()).toEqual([
    "four",
    "three",
  ]);
});

test("a folder that an older set-up has made is replaced too", () => {
  setUp({
    "kernel.json": readFileSync(join(REPOSITORY, "kernels", "python", "kernel.json"), "utf8"),
    "prepare.sh": `echo new >"$1/what"`,
  });
  mkdirSync(join(root, "prepared", "toy"), { recursive: true });
  writeFileSync(join(root, "prepared", "toy", "what"), "old\n");
  runSetup();
  expect(readFileSync(join(root, "prepared", "toy", "what"), "utf8")).toBe("new\n");
});

test("a daemon that runs meanwhile has its kernels all the time", async () => {
  const toy = join(REPOSITORY, "tests", "fixtures", "kernels", "toy");
  const manifest = JSON.parse(readFileSync(join(toy, "kernel.json"), "utf8")) as { interpreters: string[] };
  // The kernel's user may not be able to enter the folder of the one that runs the tests.
  using installation = installForEverybody();
  setUp({
    ...Object.fromEntries(readdirSync(toy).map((name) => [name, readFileSync(join(toy, name), "utf8")])),
    "kernel.json": JSON.stringify({ ...manifest, interpreters: ["{prepared}/node"] }),
    "prepare.sh": `sleep 0.2; cat "$(dirname "$0")"/packages.txt >/dev/null; ln -s "${installation.node}" "$1/node"`,
    "packages.txt": "one",
  });
  chmodSync(root, 0o755);
  runSetup();
  const folder = join(root, "kernels");
  await using daemon = await startTestDaemon({
    kernels: { folder },
    env: { GUESTD_PREPARED_DIR: join(root, "prepared") },
    argv: ["--spare-kernels", "0"],
  });
  const evaluate = async (): Promise<number> => {
    const made = await daemon.fetch("/v1/contexts", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ language: "toy" }),
    });
    return made.status;
  };
  expect(await evaluate()).toBe(201);
  for (const text of ["two", "three", "four"]) {
    writeFileSync(join(folder, "toy", "packages.txt"), text);
    const state = { isOver: false };
    const replacing = startSetup().finally(() => (state.isOver = true));
    while (!state.isOver) expect(await evaluate()).toBe(201);
    await replacing;
    expect(await evaluate()).toBe(201);
  }
});

/** Compiles a copy of the Python kernel, and says which of its modules were found compiled when all are imported by who may write nothing. */
function compileAndImport(folder: string): { compiled: string[]; all: string[] } {
  execFileSync("/bin/sh", [join(folder, "compile.sh"), join(root, "nothing")], { stdio: ["ignore", 2, 2] });
  const script = `
import importlib, importlib.machinery, json, pkgutil, sys
sys.dont_write_bytecode = True
compiled, source = [], importlib.machinery.SourceFileLoader.source_to_code
def compile_source(self, *arguments, **options):
    compiled.append(self.name)
    return source(self, *arguments, **options)
importlib.machinery.SourceFileLoader.source_to_code = compile_source
sys.path.insert(0, sys.argv[1])
import guestd_kernel
names = [module.name for module in pkgutil.walk_packages(guestd_kernel.__path__, "guestd_kernel.")]
for name in names:
    try: importlib.import_module(name)
    except ImportError: pass
print(json.dumps({"compiled": [name for name in compiled if name.startswith("guestd_kernel")], "all": names}))`;
  return JSON.parse(execFileSync(PYTHON, ["-c", script, folder], { encoding: "utf8" })) as never;
}

test("the Python kernel's bytecode follows its modules: one that has changed is made again, and no other", () => {
  const folder = join(root, "python");
  cpSync(join(REPOSITORY, "kernels", "python"), folder, {
    recursive: true,
    filter: (path) => !path.endsWith("__pycache__"),
  });
  const first = compileAndImport(folder);
  expect(first.all.length).toBeGreaterThan(30);
  expect(first.compiled).toEqual([]);
  const tag = execFileSync(PYTHON, ["-c", "import sys; print(sys.implementation.cache_tag)"], { encoding: "utf8" });
  const bytecode = (name: string): string =>
    join(folder, "guestd_kernel", "__pycache__", `${name}.${tag.trimEnd()}.pyc`);
  const inodes = (): number[] => ["kernel", "streams"].map((name) => statSync(bytecode(name)).ino);
  const before = inodes();
  appendFileSync(join(folder, "guestd_kernel", "kernel.py"), "\nCHANGED = True\n");
  expect(compileAndImport(folder).compiled).toEqual([]);
  const after = inodes();
  expect([after[0] === before[0], after[1] === before[1]]).toEqual([false, true]);
});
