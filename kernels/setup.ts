// Prepares what kernels need beyond this repository, once: runs each kernel's prepare.sh with the folder to fill, and guestd's own Node in GUESTD_NODE.
// What has to follow the kernel's own files is for its compile.sh, which runs every time, with the same folder.
// A kernel that cannot be prepared is said and skipped: the daemon starts without it. `--strict` makes that an error.
import { spawnSync } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readConfig } from "../src/config.ts";
import { type Manifest, readManifests } from "../src/kernels/manifest.ts";

const STAMP = ".prepared";

/** What decides whether a prepared folder is still the right one, and what was installed with it still there. */
function fingerprint({ folder, interpreters }: Manifest, prepared: string): string {
  const hash = createHash("sha256").update(prepared);
  const script = readFileSync(join(folder, "prepare.sh"), "utf8");
  hash.update(script);
  // What the script names of its folder goes into what it makes.
  for (const name of readdirSync(folder).toSorted())
    if (script.includes(`/${name}`)) hashTree(hash, join(folder, name));
  if (script.includes("GUESTD_NODE")) hash.update(process.version);
  for (const path of interpreters) {
    if (path.startsWith("/") && existsSync(path)) hash.update(path);
    const made = path.replace("{prepared}", prepared);
    // A link to what has gone.
    if (made !== path && !existsSync(made)) hash.update(made);
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
  rmSync(prepared, { recursive: true, force: true });
  mkdirSync(prepared, { recursive: true, mode: 0o755 });
  const { status } = spawnSync("/bin/sh", [join(folder, "prepare.sh"), prepared], {
    stdio: ["ignore", 2, 2],
    env: { ...process.env, GUESTD_NODE: process.execPath },
  });
  if (status !== 0) {
    console.error(`guestd: the ${kernel} kernel could not be prepared; it will do with what the machine has`);
    return false;
  }
  writeFileSync(stamp, fingerprint(manifest, prepared));
  return true;
}

function compile({ folder }: Manifest, prepared: string): void {
  const script = join(folder, "compile.sh");
  if (existsSync(script)) spawnSync("/bin/sh", [script, prepared], { stdio: ["ignore", 2, 2] });
}

process.umask(0o022);
const root = join(import.meta.dirname, "..");
const { preparedDir } = readConfig({ root, argv: [], env: process.env, isTerminal: false });
const kernels = readManifests(join(root, "kernels")).filter(({ folder }) => existsSync(join(folder, "prepare.sh")));
const results = kernels.map((manifest) => {
  const prepared = join(preparedDir, manifest.kernel);
  const isPrepared = prepare(manifest, prepared);
  compile(manifest, prepared);
  return isPrepared;
});
if (process.argv.includes("--strict") && results.includes(false)) process.exitCode = 1;
