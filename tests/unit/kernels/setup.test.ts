import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { REPOSITORY } from "../../helpers/daemon.ts";

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
  const prepared = join(root, "prepared", "toy");
  expect(readFileSync(calls, "utf8").trimEnd().split("\n")).toEqual(
    ["prepare", "compile", "compile", "prepare", "compile"].map((script) => `${script} ${prepared}`),
  );
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
