import { type BigIntStats, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errnoName } from "../../errors.ts";

/** What of a path matters: a file always wholly; of a directory that it is there, or also which entries it has. */
type Aspect = "entry" | "listing";

/** More files than this are not looked at for each command: a real login is about as cheap then. */
const MAX_WATCHED = 256;

/** What bash, or the usual system-wide profile, looks for whether it is there or not. */
const SYSTEM_FILES = ["/etc/profile", "/etc/bash.bashrc", "/etc/environment", "/etc/bash.bash_logout"];
const HOME_FILES = [".bash_profile", ".bash_login", ".profile", ".bashrc", ".bash_logout"];
/** Made anew by the kernel at each look. */
const IS_KERNEL_FILE = /^\/(?:proc|sys|dev)(?:\/|$)/;

const ABSOLUTE_PATH = /(?<![^\s'"=:(])\/[^\s'"`;|&()<>:=\\]*/g;
const QUOTED_PATH = /'(\/[^'\n]*)'/g;
const TESTED_PATH = /(?:'\['|\[\[|\btest) (?:! )?-[abcdefghkprsuwxGLNOS] (?:'([^']*)'|([^\s']+))/g;
const SOURCED_PATH = /^\++ (?:(?:builtin|command) )?(?:\.|source) (?:-- )?(?:'([^']*)'|(\S+))/gm;
const IS_PATTERN = /[*?[\]{}$~]/;

/** Where a login takes place. */
export interface LoginPlace {
  env: Readonly<Record<string, string>>;
  cwd: string;
}

/** Files whose change may change what a login does, as they are at the moment of construction. */
export class WatchedFiles {
  readonly #stamps = new Map<string, { aspect: Aspect; stamp: string }>();
  #newestChangeMs = 0;

  constructor(paths: ReadonlyMap<string, Aspect>) {
    for (const [path, aspect] of paths) {
      const stat = look(path);
      this.#stamps.set(path, { aspect, stamp: stampOf(stat, aspect) });
      if (typeof stat !== "string" && (aspect === "listing" || !stat.isDirectory())) this.#note(stat);
    }
  }

  get size(): number {
    return this.#stamps.size;
  }

  /** When the last of them changed, as the file system's clock tells it. */
  get newestChangeMs(): number {
    return this.#newestChangeMs;
  }

  /** Whether all are still as they were. */
  isCurrent(): boolean {
    return this.#stamps.entries().every(([path, { aspect, stamp }]) => stampOf(look(path), aspect) === stamp);
  }

  #note({ ctimeNs }: BigIntStats): void {
    this.#newestChangeMs = Math.max(this.#newestChangeMs, Number(ctimeNs / 1_000_000n));
  }
}

/** What every login reads, or would read if it were there. */
export function usualFiles({ env }: LoginPlace): Map<string, Aspect> {
  const home = env["HOME"] ?? "/";
  const paths = new Map<string, Aspect>([["/etc/profile.d", "listing"]]);
  for (const path of [...SYSTEM_FILES, ...HOME_FILES.map((name) => join(home, name))]) paths.set(path, "entry");
  return paths;
}

/**
 * All that a login looked at, from what `set -x` said of it: every path in it, tests of what is not there included, with the
 * directories that it found files in; and the search path, for what it may have found or missed there.
 * @returns undefined when that cannot be told, since a name was looked up along a path, or is too much
 */
export function filesOfLogin(
  place: LoginPlace,
  trace: string,
  searchPaths: readonly string[],
): Map<string, Aspect> | undefined {
  const paths = usualFiles(place);
  const add = (path: string, aspect: Aspect): void => {
    if (!path.startsWith("/") || IS_KERNEL_FILE.test(path)) return;
    if (IS_PATTERN.test(path)) add(fixedPart(path), "listing");
    else if (paths.get(path) !== "listing") paths.set(path, aspect);
  };
  for (const [path] of trace.matchAll(ABSOLUTE_PATH)) add(path, "entry");
  for (const [, path = ""] of trace.matchAll(QUOTED_PATH)) add(path, "entry");
  for (const [, quoted, plain = ""] of trace.matchAll(TESTED_PATH)) add(resolve(place.cwd, quoted ?? plain), "entry");
  for (const [, quoted, plain = ""] of trace.matchAll(SOURCED_PATH)) {
    const path = quoted ?? plain;
    if (!path.startsWith("/")) return undefined;
    if (!isBusyDirectory(dirname(path), place)) add(dirname(path), "listing");
  }
  for (const folder of searchPaths.flatMap((text) => text.split(":"))) add(folder, "listing");
  return paths.size > MAX_WATCHED ? undefined : paths;
}

/** Where files come and go all the time: a profile that takes whatever is there does so from a directory of its own. */
function isBusyDirectory(path: string, { env, cwd }: LoginPlace): boolean {
  return ["/", "/etc", "/tmp", "/var/tmp", cwd, env["HOME"]].includes(path);
}

/** The part of a pattern before the first component with a special character. */
function fixedPart(pattern: string): string {
  const parts = pattern.split("/");
  return (
    parts
      .slice(
        0,
        parts.findIndex((part) => IS_PATTERN.test(part)),
      )
      .join("/") || "/"
  );
}

/** A file's details, or why there are none. */
function look(path: string): BigIntStats | string {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? "none";
  } catch (error) {
    return errnoName(error) ?? "none";
  }
}

function stampOf(stat: BigIntStats | string, aspect: Aspect): string {
  if (typeof stat === "string") return stat;
  const { dev, ino, mode, uid, gid, size, mtimeNs, ctimeNs, rdev } = stat;
  const place = `${dev}:${ino}:${mode}:${uid}:${gid}`;
  // Reading and writing a device or a pipe is no change of it, and neither are new files in most directories.
  if (!stat.isFile() && !(stat.isDirectory() && aspect === "listing")) return `${place}:${rdev}`;
  return `${place}:${size}:${mtimeNs}:${ctimeNs}`;
}
