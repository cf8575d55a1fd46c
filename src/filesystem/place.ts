import { posix } from "node:path";
import { errnoName, SandboxError } from "../errors.ts";
import type { FileAccess, FileStats } from "../host/file-access.ts";
import { withoutTrailing } from "../lib/without-trailing.ts";
import { Directory } from "./directory.ts";
import { fileError, isMissing } from "./failures.ts";
import type { Owner } from "./owner.ts";
import { isLink } from "./stats.ts";

const NEW_DIRECTORY_MODE = 0o755;
const PRIVATE_DIRECTORY_MODE = 0o700;
/** As the kernel does. */
const MAX_LINKS = 40;

/** Where something is or will be: a name in an open directory, some of whose last ones may not exist yet. */
export class Place implements Disposable {
  /** What the last name of the path is; empty, `.` or `..` when that can only be a directory. */
  readonly name: string;
  readonly #shownPath: string;
  #directory: Directory;
  /** Names of directories that are not there, outermost first. */
  #missing: readonly string[];
  #found: Promise<Pick<FileStats, "mode"> | undefined> | undefined;

  constructor(options: { directory: Directory; missing: readonly string[]; name: string; shownPath: string }) {
    this.name = options.name;
    this.#directory = options.directory;
    this.#missing = options.missing;
    this.#shownPath = options.shownPath;
  }

  /** The innermost directory of the path that exists. */
  get directory(): Directory {
    return this.#directory;
  }

  /** The rights with which it was looked up, and all is done in it. */
  get access(): FileAccess {
    return this.#directory.access;
  }

  /** Whether the directory that `name` belongs in exists. */
  get hasDirectory(): boolean {
    return this.#missing.length === 0;
  }

  /** How many directories are missing. */
  get missingCount(): number {
    return this.#missing.length;
  }

  /** Path of the thing itself for any call; only while {@link hasDirectory}. */
  get path(): string {
    return this.#directory.child(this.name);
  }

  /** What kind of file was there at the first look; undefined: nothing. @throws the system error of lstat */
  found(): Promise<Pick<FileStats, "mode"> | undefined> {
    this.#found ??= this.hasDirectory ? this.#look() : Promise.resolve(undefined);
    return this.#found;
  }

  /**
   * Makes the directories that are missing; others may be making the same ones at this moment.
   * @throws SandboxError internal, permission_denied
   */
  async makeDirectories(owner: Owner): Promise<void> {
    while (this.#missing.length > 0) {
      const [name = "", ...rest] = this.#missing;
      const next = await this.#makeChild(name, owner);
      const before = this.#directory;
      this.#directory = next;
      this.#missing = rest;
      before[Symbol.dispose]();
    }
  }

  /** With exactly the bits of `mode`, or the usual ones. @throws the system error: EEXIST when something of that name is there */
  async makeDirectory(owner: Owner, mode?: number): Promise<void> {
    // Nobody gets in before it has the mode that was asked for.
    await this.access.makeDirectory(this.path, mode === undefined ? NEW_DIRECTORY_MODE : PRIVATE_DIRECTORY_MODE);
    using made = await this.#directory.openChild(this.name);
    await this.access.changeOwner(made.self, owner.uid, owner.gid);
    if (mode !== undefined) await this.access.changeMode(made.self, mode);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }

  async #look(): Promise<Pick<FileStats, "mode"> | undefined> {
    try {
      // A file never becomes one of another kind.
      return this.access.lstatCached(this.path) ?? (await this.access.lstat(this.path));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** One that another caller made just now is as good: its maker gives it to its owner. */
  async #makeChild(name: string, owner: Owner): Promise<Directory> {
    const wasMade = await this.#tryMake(name);
    using stack = new DisposableStack();
    try {
      const child = stack.use(await this.#directory.openChild(name));
      if (wasMade) await this.access.changeOwner(child.self, owner.uid, owner.gid);
      stack.move();
      return child;
    } catch (error) {
      if (errnoName(error) === "ENOTDIR") throw pathIsFile(this.#shownMissing, error);
      throw fileError(error, `failed to chown directory: chown ${this.#shownMissing}`);
    }
  }

  async #tryMake(name: string): Promise<boolean> {
    try {
      await this.access.makeDirectory(this.#directory.child(name), NEW_DIRECTORY_MODE);
      return true;
    } catch (error) {
      if (errnoName(error) === "EEXIST") return false;
      throw fileError(error, `failed to create directory: mkdir ${this.#shownMissing}`);
    }
  }

  /** Path of the first directory that is missing. */
  get #shownMissing(): string {
    return this.#missing.reduce((path) => splitPath(path).parent, this.#shownPath);
  }
}

/**
 * Finds the place of `path` with the rights of `access`, following links in its directories but not a last one.
 * @throws SandboxError internal when something in the path is no directory, permission_denied
 */
export async function locate(access: FileAccess, path: string): Promise<Place> {
  const { parent, name } = splitPath(path);
  const missing: string[] = [];
  for (let at = parent; ;) {
    const found = await openIfThere(access, at);
    if (found) return new Place({ directory: found, missing, name, shownPath: path });
    const up = splitPath(at);
    // Above a name that does not exist, `..` can only mean the name before it.
    if (up.name === "." || up.name === "..") return locate(access, posix.normalize(path));
    missing.unshift(up.name);
    at = up.parent;
  }
}

/** As {@link locate}, but a last link is followed too, also one that leads to nothing yet. */
export async function locateTarget(access: FileAccess, path: string): Promise<Place> {
  let place = await locate(access, path);
  for (let links = 0; links <= MAX_LINKS; links += 1) {
    const target = await linkTarget(place);
    if (target === undefined) return place;
    using before = place;
    place = await locate(access, target.startsWith("/") ? target : before.directory.child(target));
  }
  place[Symbol.dispose]();
  throw new SandboxError("failed_precondition", `too many levels of symbolic links: ${path}`);
}

/** Cuts off the last name: `/a/b/` is `b` in `/a`, `/` is an empty name in `/`. */
export function splitPath(path: string): { parent: string; name: string } {
  const trimmed = withoutTrailing(path, "/");
  const slash = trimmed.lastIndexOf("/");
  return { parent: withoutTrailing(trimmed.slice(0, slash + 1), "/") || "/", name: trimmed.slice(slash + 1) };
}

async function openIfThere(access: FileAccess, path: string): Promise<Directory | undefined> {
  try {
    return await Directory.open(access, path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (errnoName(error) === "ENOTDIR") throw pathIsFile(await firstObstacle(access, path), error);
    throw fileError(error, `failed to stat directory: stat ${path}`);
  }
}

/** The outermost part of `path` that is no directory. */
async function firstObstacle(access: FileAccess, path: string): Promise<string> {
  const { parent, name } = splitPath(path);
  if (name === "") return path;
  try {
    using _ = await Directory.open(access, parent);
    return path;
  } catch {
    return firstObstacle(access, parent);
  }
}

async function linkTarget(place: Place): Promise<string | undefined> {
  try {
    const stats = await place.found();
    return stats && isLink(stats) ? (await place.access.readLink(place.path)).toString() : undefined;
  } catch {
    return undefined; // nothing there; or whoever looks closer will say what is wrong
  }
}

function pathIsFile(path: string, cause: unknown): SandboxError {
  return new SandboxError("internal", `path is a file: ${path}`, { cause });
}
