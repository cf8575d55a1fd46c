import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

/** The account that sandboxes usually have; tests run programs as it when they may. */
const ACCOUNT = "user";

/** Where R looks for packages that did not come with it. */
const R_LIBRARIES = ["/usr/local/lib/R/site-library", "/usr/lib/R/site-library", "/usr/lib/R/library"];

/** Builds the daemon, prepares the kernels, installs the Python SDKs, tmux, ssh with a server, and ggplot2, and makes the account `user`: what the tests need of a machine. */
export function prepareMachine(root: string): void {
  run(process.execPath, [join(root, "build.config.ts"), "--if-needed"], root);
  run(process.execPath, [join(root, "kernels", "setup.ts"), "--strict"], root);
  preparePython(root, pythonSdkFolder(root), join(root, "tests", "sdk", "requirements.txt"));
  if (process.geteuid?.() !== 0) return;
  makeAccount();
  const installed = {
    tmux: existsSync("/usr/bin/tmux"),
    // A server without a service: the package that has one would start it.
    "dropbear-bin": existsSync("/usr/sbin/dropbear"),
    "openssh-client": existsSync("/usr/bin/ssh"),
    "r-cran-ggplot2": R_LIBRARIES.some((library) => existsSync(join(library, "ggplot2"))),
  };
  const missing = Object.entries(installed).filter(([, isInstalled]) => !isInstalled);
  if (missing.length > 0) installPackages(missing.map(([name]) => name));
}

/** What images are built and run with. */
export function prepareImageTools(root: string): void {
  if (process.geteuid?.() !== 0) throw new Error("images are built and run by root here: start the tests as root");
  const tools = {
    buildah: "buildah",
    debootstrap: "debootstrap",
    ip: "iproute2",
    strip: "binutils",
    "systemd-analyze": "systemd",
  };
  const missing = Object.entries(tools).filter(([tool]) => spawnSync("which", [tool]).status !== 0);
  if (missing.length > 0) installPackages(missing.map(([, name]) => name));
  preparePython(root, validatorsFolder(root), join(root, "tests", "image", "requirements.txt"));
}

/** Where the Python SDKs are installed for the tests. */
export function pythonSdkFolder(root: string): string {
  return join(root, ".cache", "sdk-python");
}

/** Where those are that read the examples of docs/deploy.md. */
export function validatorsFolder(root: string): string {
  return join(root, ".cache", "validators");
}

/** A Python environment of its own for what `requirements` names. */
function preparePython(root: string, folder: string, requirements: string): void {
  const stamp = join(folder, ".prepared");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error(`tests: installing what ${relative(root, requirements)} names`);
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
  // Somebody else may be installing something, and mirrors are not always there at once.
  const options = ["-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];
  run("apt-get", ["update", ...options], "/");
  run("apt-get", ["install", ...options, "--no-install-recommends", ...names], "/");
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ["ignore", 2, 2] });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? `status ${status}`}`);
}
