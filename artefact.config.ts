// Puts what runs into one folder that may be copied into any image with glibc: `node artefact.config.ts <folder>`, after `npm run build`.
// The build stage of the Dockerfile runs it, on an old glibc: that decides where the folder runs.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { arch, argv, execPath, exit } from "node:process";

const ROOT = import.meta.dirname;
/** Packages that are not bundled, since their add-ons are found relative to their own files. */
const PACKAGES = ["node-pty", "koffi", `@koromix/koffi-linux-${arch}`];
const RUNS = /(\.js|\.cjs|\.node|^package\.json|^LICENSE.*)$/;
/** Sources, tests and other systems' binaries in them. */
const NEEDLESS =
  /(\.test\.js$|^(prebuilds|obj\.target|deps|third_party|musl_.*|vendor|doc|typings|node-addon-api|scripts)$)/;
/** The C++ runtime, for images that have none. */
const RUNTIME_LIBRARIES = ["libstdc++.so.6", "libgcc_s.so.1"];
/** How Debian calls this machine's kind in the names of its folders. */
const TRIPLETS: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
/** Where every program of this machine's kind looks for glibc's loader. */
const LOADERS: Readonly<Record<string, string>> = {
  x64: "/lib64/ld-linux-x86-64.so.2",
  arm64: "/lib/ld-linux-aarch64.so.1",
};

const [, , folder] = argv;
if (!folder) {
  console.error("usage: node artefact.config.ts <folder>");
  exit(2);
}
const place = (...names: string[]): string => join(folder, ...names);

function copy(source: string, target: string, isWanted: (path: string) => boolean = () => true): void {
  mkdirSync(dirname(target), { recursive: true });
  cpSync(source, target, { recursive: true, dereference: true, filter: isWanted });
}

function copyPrograms(): void {
  copy(execPath, place("bin", "node"));
  copy("/usr/bin/tini-static", place("bin", "tini"));
  for (const library of RUNTIME_LIBRARIES) {
    const path = execFileSync("cc", [`-print-file-name=${library}`], { encoding: "utf8" }).trim();
    if (!path.startsWith("/")) throw new Error(`the C compiler knows no ${library}: install g++`);
    copy(path, place("lib", "native", library));
  }
}

function copyDaemon(): void {
  copy(join(ROOT, "package.json"), place("package.json"));
  copy(join(ROOT, "dist"), place("dist"), (path) => !path.endsWith(".map"));
  copy(join(ROOT, "kernels"), place("kernels"), (path) => {
    const [kernel, name] = relative(join(ROOT, "kernels"), path).split("/");
    const isSource = name === "src" || name === "native" || kernel?.endsWith(".ts");
    return !(isSource || name === "conformance.json" || path.endsWith("__pycache__"));
  });
  for (const name of PACKAGES) {
    const source = join(ROOT, "node_modules", name);
    copy(source, place("node_modules", name), (path) => {
      if (NEEDLESS.test(basename(path)) && path !== source) return false;
      return RUNS.test(basename(path)) || statSync(path).isDirectory();
    });
  }
}

/** The licences of everything that was bundled, as they ask for. */
function writeLicences(): void {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; version?: string; license?: string }>;
  };
  const texts = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== "" && !dev && existsSync(join(ROOT, path)))
    .map(([path, { version, license }]) => {
      const file = readdirSync(join(ROOT, path)).find((name) => /^licen[cs]e/i.test(name));
      const text = file ? readFileSync(join(ROOT, path, file), "utf8") : `${license ?? "see its package"}\n`;
      return `${path.replace("node_modules/", "")} ${version}\n\n${text}`;
    });
  writeFileSync(place("THIRD-PARTY-LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
}

function writeLauncher(): void {
  const loader = LOADERS[arch] ?? "";
  const launcher = readFileSync(join(ROOT, "src", "launcher.sh"), "utf8").replaceAll("@LOADER@", loader);
  mkdirSync(place("bin"), { recursive: true });
  writeFileSync(place("bin", "guestd"), launcher);
  chmodSync(place("bin", "guestd"), 0o755);
}

function strip(): void {
  const binaries = readdirSync(folder ?? "", { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".node") || /\.so\.\d+$/.test(path) || path === join("bin", "node"))
    .map((path) => place(path));
  execFileSync("strip", ["--strip-unneeded", ...binaries]);
}

/**
 * Where Node finds its C++ runtime: the image's own, which is never older than what add-ons beside it need, else the one that comes
 * along. Written into the program, since whoever starts it would have to hand a variable to what it starts.
 */
function linkRuntime(): void {
  const triplet = TRIPLETS[arch] ?? "";
  const folders = [`/usr/lib/${triplet}`, `/lib/${triplet}`, "/usr/lib64", "/lib64", "/usr/lib", "/lib"];
  execFileSync("patchelf", ["--set-rpath", [...folders, "$ORIGIN/../lib/native"].join(":"), place("bin", "node")]);
}

copyPrograms();
copyDaemon();
writeLicences();
writeLauncher();
strip();
linkRuntime();
