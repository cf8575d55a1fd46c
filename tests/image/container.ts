import { execFile, execFileSync } from "node:child_process";
import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const SCRIPTS = import.meta.dirname;
const REPOSITORY = join(SCRIPTS, "..", "..");
/** From nothing, on a machine that has other things to do. */
const BUILD_MS = 40 * 60_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
/** The end of what a script said, where the reason is. */
const SAID_CHARACTERS = 2000;

/** The form that every `npm test` builds and drives, cheap enough from nothing; `npm run test:image` does all there is. */
export const IS_SLIM = process.env["GUESTD_IMAGE"] === "slim";

/** One image that runs as a container would: its own processes, mounts, devices and network. Disposing it ends and removes it. */
export interface Container extends AsyncDisposable {
  readonly name: string;
  /** Where its ports are. */
  readonly address: string;
  /** Its root folder, as seen from here. */
  readonly root: string;
  /** Runs a program inside; a status other than 0 throws, with what it printed. */
  exec(command: readonly string[], options?: { user?: string }): Promise<string>;
  /** What process 1 has printed. */
  logs(): Promise<string>;
  /** SIGTERM, and what became of process 1. */
  stop(): Promise<{ status: string; seconds: number }>;
}

export interface ContainerOptions {
  env?: Readonly<Record<string, string>>;
  /** Instead of the image's own. */
  command?: readonly string[];
  isReadOnly?: boolean;
}

/** Builds a target of the Dockerfile over local base images. Returns how long it took. */
export async function buildImage(tag: string, options: readonly string[] = []): Promise<{ seconds: number }> {
  const began = performance.now();
  await script("build-image.sh", ["-C", REPOSITORY, "-t", tag, ...options]);
  return { seconds: (performance.now() - began) / 1000 };
}

/** An image of `lines` of a Dockerfile over the distribution `suite`. */
export async function buildOver(suite: string, tag: string, lines: readonly string[]): Promise<void> {
  await script("make-base.sh", ["distro", suite]);
  using context = mkdtempDisposableSync(join(tmpdir(), "guestd-image-"));
  await buildLines(context.path, tag, [`FROM localhost/base:${suite}`, ...lines]);
}

/** The Dockerfile's base of Node, with this machine's way to npm's registry in it: for builds that are told none. */
export async function buildNodeWithRegistry(tag: string): Promise<void> {
  await script("make-base.sh", ["node", "bullseye"]);
  using context = mkdtempDisposableSync(join(tmpdir(), "guestd-image-"));
  writeSecrets(context.path);
  await buildLines(context.path, tag, [
    "FROM localhost/node:24-bullseye",
    "COPY ca npmrc /registry/",
    "RUN sed 's#/run/secrets/#/registry/#' /registry/npmrc > /root/.npmrc",
  ]);
}

/** What a build is told of this machine, in files of a folder: `ca`, `npmrc` and `pipconf`. */
export function writeSecrets(folder: string): void {
  execFileSync(join(SCRIPTS, "build-image.sh"), ["--secrets", folder]);
}

async function buildLines(context: string, tag: string, lines: readonly string[]): Promise<void> {
  writeFileSync(join(context, "Dockerfile"), [...lines, ""].join("\n"));
  await run("buildah", ["build", "--isolation", "chroot", "--format", "docker", "-t", tag, context]);
}

/** Bytes of an image's layers. */
export async function imageBytes(tag: string): Promise<number> {
  const { stdout } = await execute("buildah", ["images", "--json", tag]);
  const [image] = JSON.parse(stdout) as { size: string }[];
  const [, number = "0", unit = ""] = /^([\d.e+]+)\s*([KMG]?B)$/.exec(image?.size ?? "") ?? [];
  return Number(number) * ({ KB: 1e3, MB: 1e6, GB: 1e9 }[unit] ?? 1);
}

export async function startContainer(image: string, options: ContainerOptions = {}): Promise<Container> {
  const { env = {}, command = [], isReadOnly = false } = options;
  const name = `t${crypto.randomUUID().slice(0, 8)}`;
  await script("run-image.sh", [
    "start",
    image,
    "--name",
    name,
    "--net",
    "--drop-caps",
    ...(isReadOnly ? ["--read-only"] : []),
    ...Object.entries(env).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
    ...(command.length > 0 ? ["--", ...command] : []),
  ]);
  const ask = async (what: string): Promise<string> => (await script("run-image.sh", [what, name])).trim();
  let stopping: Promise<{ status: string; seconds: number }> | undefined;
  const stop = async (): Promise<{ status: string; seconds: number }> => {
    const began = performance.now();
    const status = (await ask("stop")).replace("exit status ", "");
    return { status, seconds: (performance.now() - began) / 1000 };
  };
  return {
    name,
    address: await ask("address"),
    root: await ask("root"),
    exec: (inside, { user = "root" } = {}) => script("run-image.sh", ["exec", name, "--user", user, "--", ...inside]),
    logs: () => ask("logs"),
    stop: () => (stopping ??= stop()),
    [Symbol.asyncDispose]: async () => void (await (stopping ??= stop())),
  };
}

async function script(file: string, args: readonly string[]): Promise<string> {
  return run(join(SCRIPTS, file), args);
}

/** What it prints. @throws with the end of what it said, when it fails */
async function run(command: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(command, args, { timeout: BUILD_MS, maxBuffer: MAX_OUTPUT_BYTES });
    return stdout;
  } catch (error) {
    const { stderr = "", code, signal } = error as { stderr?: string; code?: number | string; signal?: string };
    const end = stderr.trim().slice(-SAID_CHARACTERS);
    throw new Error(`${command} ${args.join(" ")} ended with ${signal ?? code}: ${end}`, { cause: error });
  }
}
