// `npm run artefact`: builds the artefact of the Dockerfile and packs it into out/guestd-<version>-linux-<arch>.tar.gz, with its SHA-256 beside it.
// The same sources and packages give the same bytes; `-- --no-cache` builds all of it anew. Docker builds where there is an engine, else buildah over bases of its own (Debian, as root).
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempDisposableSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { arch } from "node:process";

const ROOT = import.meta.dirname;
const TAG = "localhost/guestd:artefact";
/** Of the build. */
const OPTIONS = process.argv.slice(2);

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", 2], maxBuffer: 1e8 }).trim();
}

const works = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0;

/** The archive of what the artefact image holds: in order of names, without times and owners. */
function pack(folder: string, file: string): void {
  const sameEverywhere = [
    "--sort=name",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=go=rX,u+rw",
  ];
  const script = 'tar -C "$1" --format=gnu "${@:3}" -cf - opt/guestd | gzip -9n > "$2"';
  run("bash", "-c", `set -o pipefail; ${script}`, "pack", folder, file, ...sameEverywhere);
}

function packWithDocker(file: string): void {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-artefact-"));
  run("docker", "build", "--target", "artefact", "--output", `type=local,dest=${folder.path}`, ...OPTIONS, ROOT);
  pack(folder.path, file);
}

function packWithBuildah(file: string): void {
  run(join(ROOT, "tests", "image", "build-image.sh"), "-C", ROOT, "-t", TAG, "--target", "artefact", ...OPTIONS);
  const container = run("buildah", "from", "--pull-never", TAG);
  try {
    pack(run("buildah", "mount", container), file);
  } finally {
    run("buildah", "rm", container);
  }
}

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
const file = join(ROOT, "out", `guestd-${version}-linux-${arch}.tar.gz`);
mkdirSync(join(ROOT, "out"), { recursive: true });
if (works("docker", "info")) packWithDocker(file);
else if (works("buildah", "--version") && works("debootstrap", "--version")) packWithBuildah(file);
else {
  console.error("guestd: building the artefact takes a Docker engine, or as root: apt-get install buildah debootstrap");
  process.exit(1);
}
const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
writeFileSync(`${file}.sha256`, `${digest}  ${basename(file)}\n`);
console.log(`${file}: ${(statSync(file).size / 1e6).toFixed(1)} MB, SHA-256 ${digest}`);
