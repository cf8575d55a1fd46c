import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The account that sandboxes usually have; tests run programs as it when they may. */
const ACCOUNT = "user";

/** Builds the daemon, prepares the kernels, installs the Python SDKs and tmux, and makes the account `user`: what the tests need of a machine. */
export function prepareMachine(root: string): void {
  run(process.execPath, [join(root, "build.config.ts"), "--if-needed"], root);
  run(process.execPath, [join(root, "kernels", "setup.ts"), "--strict"], root);
  preparePythonSdk(root);
  if (process.geteuid?.() !== 0) return;
  makeAccount();
  if (!existsSync("/usr/bin/tmux")) installPackages(["tmux"]);
}

/** Where the Python SDKs are installed for the tests. */
export function pythonSdkFolder(root: string): string {
  return join(root, ".cache", "sdk-python");
}

function preparePythonSdk(root: string): void {
  const requirements = join(root, "tests", "sdk", "requirements.txt");
  const folder = pythonSdkFolder(root);
  const stamp = join(folder, ".prepared");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("tests: installing the Python SDKs");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run("/usr/bin/python3", ["-m", "venv", folder], root);
  run(join(folder, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", "-r", requirements], root);
  writeFileSync(stamp, wanted);
}

function makeAccount(): void {
  const exists = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .some((line) => line.startsWith(`${ACCOUNT}:`));
  if (exists) return;
  console.error(`tests: making the account ${ACCOUNT}`);
  run("useradd", ["--create-home", "--shell", "/bin/bash", "--user-group", ACCOUNT], "/");
}

function installPackages(names: readonly string[]): void {
  console.error(`tests: installing ${names.join(", ")}`);
  run("apt-get", ["update", "-qq"], "/");
  run("apt-get", ["install", "-qq", "-y", "--no-install-recommends", ...names], "/");
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ["ignore", 2, 2] });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? `status ${status}`}`);
}
