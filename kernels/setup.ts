// Prepares what kernels need beyond this repository, once: runs each kernel's prepare.sh with the folder to fill, and guestd's own Node in GUESTD_NODE.
// What has to follow the kernel's own files is for its compile.sh, which runs every time, with the same folder.
// A kernel that cannot be prepared is said and skipped: the daemon starts without it. `--strict` makes that an error.
// What is prepared is a folder of its own, which a link takes the place of the one before in one step: a daemon that runs meanwhile sees either,
// whole, and keeps the one that it has found. Set-ups wait for each other.
import { spawnSync } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { readConfig } from "../src/config.ts";
import { lockFile, tryLockFile } from "../src/host/libc-lock.ts";
import { type Manifest, readManifests } from "../src/kernels/manifest.ts";

const STAMP = ".prepared";

/** What decides whether the folder behind `prepared` is still the right one, and what was installed with it still there. */
function fingerprint({ folder, interpreters }: Manifest, prepared: string, behind = prepared): string {
  const hash = createHash("sha256").update(prepared);
  const script = readFileSync(join(folder, "prepare.sh"), "utf8");
  hash.update(script);
  // What the script names of its folder goes into what it makes.
  for (const name of readdirSync(folder).toSorted())
    if (script.includes(`/${name}`)) hashTree(hash, join(folder, name));
  if (script.includes("GUESTD_NODE")) hash.update(process.version);
  for (const path of interpreters) {
    if (path.startsWith("/") && existsSync(path)) hash.update(path);
    // A link to what has gone.
    if (path.includes("{prepared}") && !existsSync(path.replace("{prepared}", behind)))
      hash.update(path.replace("{prepared}", prepared));
  }
  return hash.digest("hex");
}

function hashTree(hash: Hash, path: string): void {
  if (!statSync(path).isDirectory()) return void hash.update(readFileSync(path));
  for (const name of readdirSync(path).toSorted()) {
    hash.update(name);
    hashTree(hash, join(path, name));
  }
}

function prepare(manifest: Manifest, prepared: string): boolean {
  const { kernel, folder } = manifest;
  const stamp = join(prepared, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint(manifest, prepared)) return true;
  console.error(`guestd: preparing the ${kernel} kernel in ${prepared}`);
  // What is made has its own path in it, so it stays where it was made.
  const made = mkdtempSync(join(dirname(prepared), `.${kernel}-`));
  chmodSync(made, 0o755);
  const { status } = spawnSync("/bin/sh", [join(folder, "prepare.sh"), made], {
    stdio: ["ignore", 2, 2],
    env: { ...process.env, GUESTD_NODE: process.execPath },
  });
  if (status !== 0) {
    rmSync(made, { recursive: true });
    console.error(`guestd: the ${kernel} kernel could not be prepared; it will do with what the machine has`);
    return false;
  }
  writeFileSync(join(made, STAMP), fingerprint(manifest, prepared, made));
  replace(prepared, made);
  return true;
}

/** Lets `prepared` lead to `made`. The one before stays, for who is just finding it; older ones that nobody uses go, and what was never finished. */
function replace(prepared: string, made: string): void {
  const folder = dirname(prepared);
  let before = existsSync(prepared) ? realpathSync(prepared) : undefined;
  if (before !== undefined && !lstatSync(prepared).isSymbolicLink()) {
    before = `${made}-before`;
    renameSync(prepared, before);
  }
  const link = `${made}-link`;
  symlinkSync(basename(made), link);
  renameSync(link, prepared);
  const kept = [made, before].map((path) => path && basename(path));
  for (const name of readdirSync(folder))
    if (name.startsWith(`.${basename(prepared)}-`) && !kept.includes(name)) removeUnused(join(folder, name));
}

/** Daemons hold what they have found. */
function removeUnused(path: string): void {
  const held = openSync(path, "r");
  try {
    if (tryLockFile(held)) rmSync(path, { recursive: true });
  } finally {
    closeSync(held);
  }
}

function compile({ folder }: Manifest, prepared: string): void {
  const script = join(folder, "compile.sh");
  if (existsSync(script)) spawnSync("/bin/sh", [script, prepared], { stdio: ["ignore", 2, 2] });
}

/** Undefined for who may not write there: they can look whether all is right, and no more. */
function openLock(path: string): number | undefined {
  try {
    return openSync(path, "a");
  } catch {
    return undefined;
  }
}

process.umask(0o022);
const root = join(import.meta.dirname, "..");
const { preparedDir } = readConfig({ root, argv: [], env: process.env, isTerminal: false });
const kernels = readManifests(join(root, "kernels")).filter(({ folder }) => existsSync(join(folder, "prepare.sh")));
mkdirSync(preparedDir, { recursive: true, mode: 0o755 });
const results = kernels.map((manifest) => {
  const prepared = join(preparedDir, manifest.kernel);
  const lock = openLock(`${prepared}.lock`);
  try {
    if (lock !== undefined) lockFile(lock);
    const isPrepared = prepare(manifest, prepared);
    compile(manifest, prepared);
    return isPrepared;
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
});
if (process.argv.includes("--strict") && results.includes(false)) process.exitCode = 1;
