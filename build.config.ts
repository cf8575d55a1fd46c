// Builds dist/: the bundle and the shim. `--if-needed` does nothing when dist/ is newer than every source.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { forNode, inDaemon, LAZY, lazyName, nearKoffi } from "./bundle.config.ts";
import { CODE_CACHE } from "./src/program.ts";

const root = import.meta.dirname;
const dist = join(root, "dist");
const bundle = join(dist, "main.js");
const codeCache = join(dist, CODE_CACHE);
/** Seldom a round gives other bytes than the others. */
const CODE_CACHE_ROUNDS = 6;
const worker = join(dist, "file-worker.js");
const docsPage = join(dist, "docs.html");
const shim = join(dist, "guestd-shim");
const call = join(dist, "guestd-call");
const base64 = join(dist, "guestd-base64.so");
const listing = join(dist, "guestd-listing.so");
const kernels = join(root, "kernels");
const interrupts = join(kernels, "javascript", "built", "interrupts.node");
const interruptsSource = join(kernels, "javascript", "native", "interrupts.c");

function newest(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isCurrent(): boolean {
  const products = [
    bundle,
    codeCache,
    worker,
    docsPage,
    shim,
    call,
    base64,
    listing,
    interrupts,
    ...drivers().map(({ product }) => product),
  ];
  if (!products.every((file) => existsSync(file))) return false;
  const names = [
    "src",
    "package.json",
    "package-lock.json",
    "build.config.ts",
    "bundle.config.ts",
    "code-cache.config.ts",
  ];
  const sources = [
    ...names.map((name) => join(root, name)),
    interruptsSource,
    ...drivers().map(({ source }) => source),
  ].map(newest);
  return Math.min(...products.map((file) => statSync(file).mtimeMs)) > Math.max(...sources);
}

/** Kernel drivers that are written in TypeScript: one file each, with what they need, for whoever may read the folder. */
function drivers(): { source: string; product: string }[] {
  return readdirSync(kernels)
    .map((kernel) => ({ source: join(kernels, kernel, "src"), product: join(kernels, kernel, "built", "driver.cjs") }))
    .filter(({ source }) => existsSync(join(source, "main.ts")));
}

async function bundleDriver({ source, product }: { source: string; product: string }): Promise<void> {
  await build({
    entryPoints: [join(source, "main.ts")],
    outfile: product,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node22",
    legalComments: "none",
    logLevel: "warning",
  });
}

/** The shim and `guestd-call` have no C library, nor anything that expects one; their code and constants are one mapping: fewer page faults. */
const SHIM_FLAGS = [
  "-O2 -Wall -Wextra -Werror",
  "-ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie",
  "-nostdlib -static -s -Wl,--build-id=none -Wl,-z,noseparate-code",
].flatMap((flags) => flags.split(" "));

const LIBRARY_FLAGS = "-O2 -Wall -Wextra -Werror -shared -fPIC -s -Wl,--build-id=none".split(" ");
/** For any Node of this machine; one that lacks a symbol refuses to load it. The headers come with the Node that builds. */
const ADDON_FLAGS = [
  ...LIBRARY_FLAGS,
  "-pthread",
  "-Wl,-z,now",
  "-I",
  join(process.execPath, "..", "..", "include", "node"),
];

function hostSources(...names: string[]): string[] {
  return names.map((name) => join(root, "src", "host", name));
}

function compile(product: string, flags: readonly string[], sources: readonly string[]): void {
  const compiler = process.env["CC"] ?? "cc";
  try {
    execFileSync(compiler, [...flags, "-o", product, ...sources], { stdio: ["ignore", "inherit", "inherit"] });
  } catch (error) {
    const why =
      error instanceof Error && "code" in error && error.code === "ENOENT" ? "there is no C compiler" : String(error);
    throw new Error(
      `${basename(product)} cannot be compiled: ${why}; install gcc and linux-libc-dev (part of libc6-dev), or set CC`,
      { cause: error },
    );
  }
}

async function bundleDaemon(): Promise<void> {
  rmSync(dist, { recursive: true, force: true });
  await build({
    ...forNode,
    entryPoints: { main: join(root, "src", "boot.ts"), "file-worker": join(root, "src", "host", "file-worker.ts") },
    outdir: dist,
    plugins: [nearKoffi],
  });
  await build({ ...inDaemon, entryPoints: { guestd: join(root, "src", "main.ts") }, outdir: dist });
  await build({
    ...forNode,
    entryPoints: LAZY.map((name) => ({ in: name, out: lazyName(name) })),
    outdir: join(dist, "lazy"),
  });
  writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
}

/** The same sources are to give the same bytes: those that came out twice. */
function makeCodeCache(): void {
  // With seeds of their own they would always be others.
  const argv = ["--random-seed=1", join(root, "code-cache.config.ts"), dist];
  const env = { PATH: process.env["PATH"] };
  let before: Buffer | undefined;
  for (let round = 0; round < CODE_CACHE_ROUNDS; round += 1) {
    execFileSync(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"], env });
    const made = readFileSync(codeCache);
    if (before?.equals(made)) return;
    before = made;
  }
  console.error(
    `guestd: another code cache in each of ${CODE_CACHE_ROUNDS} rounds: a build of the same sources may give other bytes`,
  );
}

/** The page of `/docs`: one file, with its style and script in it. */
async function bundleDocsPage(): Promise<void> {
  const folder = join(root, "src", "edge", "docs-page");
  let html = readFileSync(join(folder, "page.html"), "utf8");
  for (const name of ["page.css", "page.ts"]) {
    const { outputFiles } = await build({
      entryPoints: [join(folder, name)],
      bundle: true,
      write: false,
      minify: true,
      format: "esm",
      target: "es2022",
      logLevel: "warning",
    });
    const text = outputFiles[0]?.text.trim() ?? "";
    html = html.replace(`/* ${name} */`, () => text);
  }
  writeFileSync(docsPage, html);
}

if (!(process.argv.includes("--if-needed") && isCurrent())) {
  console.error("guestd: building dist/");
  await bundleDaemon();
  await bundleDocsPage();
  for (const driver of drivers()) await bundleDriver(driver);
  compile(shim, SHIM_FLAGS, hostSources("shim/shim.c", "shim/report.c", "shim/watch.c", "shim/sys.c"));
  compile(call, SHIM_FLAGS, [join(root, "src", "git", "call", "call.c"), ...hostSources("shim/sys.c")]);
  compile(base64, LIBRARY_FLAGS, hostSources("base64/encode.c", "base64/decode.c"));
  compile(listing, LIBRARY_FLAGS, hostSources("listing/listing.c"));
  compile(interrupts, ADDON_FLAGS, [interruptsSource]);
  makeCodeCache();
}
