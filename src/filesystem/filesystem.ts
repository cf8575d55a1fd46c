import { errnoName, errnoText, SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FileAccess, FileRights, FileStats } from "../host/file-access.ts";
import { EntryReader } from "./entry.ts";
import { fileError, isMissing } from "./failures.ts";
import { listTree } from "./list.ts";
import type { MetadataStore } from "./metadata.ts";
import { movePlace } from "./move.ts";
import { ownerFor } from "./owner.ts";
import { locate, type Place } from "./place.ts";
import { removeTree } from "./remove.ts";
import { isDirectory } from "./stats.ts";
import type { Entry } from "./types.ts";

/** Who asks: an account's name, or the default user; aborting ends long work. */
export interface Caller {
  user: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Looking at, making, moving and removing what is in the file system. Stateless: any calls may run at once.
 * Paths are as callers write them; what changes something looks each path up once and works in the directory it found.
 */
export class Filesystem {
  readonly #exec: ExecContext;
  readonly #rights: FileRights;
  readonly #metadata: MetadataStore;

  constructor(deps: { exec: ExecContext; rights: FileRights; metadata: MetadataStore }) {
    this.#exec = deps.exec;
    this.#rights = deps.rights;
    this.#metadata = deps.metadata;
  }

  /** @throws SandboxError not_found, invalid_argument (path), permission_denied, internal */
  async stat(path: string, caller: Caller): Promise<Entry> {
    const resolved = this.#resolve(path, caller);
    try {
      return await this.#reader(this.#access(caller)).read(resolved);
    } catch (error) {
      if (isMissing(error)) throw notFound(`file not found: lstat ${resolved}`, error);
      throw fileError(error, `error getting file info: lstat ${resolved}`);
    }
  }

  /** All of {@link entries}. */
  async list(path: string, depth: number, caller: Caller): Promise<Entry[]> {
    const all: Entry[] = [];
    for await (const some of this.entries(path, depth, caller)) all.push(...some);
    return all;
  }

  /**
   * What is in a directory, `depth` levels deep, some entries at a time: parents before children, siblings in the order of their bytes.
   * @throws SandboxError not_found, invalid_argument (not a directory), failed_precondition (links in a circle), permission_denied, internal
   */
  async *entries(path: string, depth: number, caller: Caller): AsyncGenerator<Entry[]> {
    const shownRoot = this.#resolve(path, caller);
    const access = this.#access(caller);
    const root = await resolveDirectory(access, shownRoot);
    try {
      yield* listTree(root, { reader: this.#reader(access), shownRoot, depth, signal: caller.signal });
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
      if (isMissing(error)) throw notFound(`directory not found: open ${root}`, error);
      throw fileError(error, `error reading directory ${root}`);
    }
  }

  /** Makes a directory and those above it. @throws SandboxError already_exists, invalid_argument, permission_denied, internal */
  async makeDir(path: string, caller: Caller): Promise<Entry> {
    const resolved = this.#resolve(path, caller);
    const owner = ownerFor(this.#exec.user(caller.user));
    const access = this.#access(caller);
    await checkFree(access, resolved);
    using place = await locate(access, resolved);
    await place.makeDirectories(owner);
    try {
      await place.makeDirectory(owner);
    } catch (error) {
      if (errnoName(error) === "EEXIST") await checkFree(access, resolved);
      throw fileError(error, `failed to create directory: mkdir ${resolved}`);
    }
    return this.stat(resolved, caller);
  }

  /**
   * Renames, making the directories above the destination; a file there is replaced. A link is moved itself.
   * @throws SandboxError not_found, already_exists (a directory is there), failed_precondition, invalid_argument, permission_denied, internal
   */
  async move(source: string, destination: string, caller: Caller): Promise<Entry> {
    const from = this.#resolveNamed(source, caller);
    const to = this.#resolveNamed(destination, caller);
    const owner = ownerFor(this.#exec.user(caller.user));
    const shown = `rename ${from} ${to}`;
    const access = this.#access(caller);
    using origin = await locate(access, from);
    checkNamed(origin, from);
    await checkThere(origin, shown);
    using target = await locate(access, to);
    checkNamed(target, to);
    await target.makeDirectories(owner);
    await movePlace(origin, target, { shown, signal: caller.signal });
    return this.stat(to, caller);
  }

  /** Removes whatever is there, with everything in it; a link itself. Nothing there is as good. @throws SandboxError invalid_argument, permission_denied, internal */
  async remove(path: string, caller: Caller): Promise<void> {
    const resolved = this.#resolveNamed(path, caller);
    using place = await locate(this.#access(caller), resolved);
    checkNamed(place, resolved);
    if (!place.hasDirectory) return;
    try {
      await removeTree(place.directory, place.name);
    } catch (error) {
      throw fileError(error, `error removing file or directory: ${resolved}`);
    }
  }

  #access(caller: Caller): FileAccess {
    return this.#rights.of(this.#exec.user(caller.user));
  }

  #reader(access: FileAccess): EntryReader {
    return new EntryReader({ access, users: this.#exec.users, metadata: this.#metadata });
  }

  #resolve(path: string, caller: Caller): string {
    return this.#exec.resolve(path, this.#exec.user(caller.user));
  }

  /** For what must not happen to a home directory because somebody forgot a path. */
  #resolveNamed(path: string, caller: Caller): string {
    if (path === "") throw new SandboxError("invalid_argument", "path must not be empty");
    return this.#resolve(path, caller);
  }
}

async function resolveDirectory(access: FileAccess, path: string): Promise<string> {
  let resolved: string;
  try {
    resolved = await access.realPath(path);
  } catch (error) {
    if (isMissing(error)) throw notFound(`path not found: lstat ${path}`, error);
    if (errnoName(error) === "ELOOP") {
      const message = `cyclic symlink or chain >255 links at ${JSON.stringify(path)}`;
      throw new SandboxError("failed_precondition", message, { cause: error });
    }
    throw fileError(error, `error resolving symlink: lstat ${path}`);
  }
  const stats = await statOf(access, resolved);
  if (stats && !isDirectory(stats)) {
    throw new SandboxError("invalid_argument", `path is not a directory: ${resolved}`);
  }
  return resolved;
}

/** @throws SandboxError already_exists, invalid_argument when something is there */
async function checkFree(access: FileAccess, path: string): Promise<void> {
  const there = await statOf(access, path);
  if (!there) return;
  if (isDirectory(there)) throw new SandboxError("already_exists", `directory already exists: ${path}`);
  throw new SandboxError("invalid_argument", `path already exists but it is not a directory: ${path}`);
}

/** What is at `path` in the end, or undefined. */
async function statOf(access: FileAccess, path: string): Promise<FileStats | undefined> {
  try {
    return await access.stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw fileError(error, `error getting file info: stat ${path}`);
  }
}

/** @throws SandboxError not_found */
export async function checkThere(place: Place, shown: string): Promise<void> {
  const what = `source file not found: ${shown}`;
  if (!place.hasDirectory) throw new SandboxError("not_found", `${what}: no such file or directory`);
  try {
    await place.access.lstat(place.path);
  } catch (error) {
    throw isMissing(error) ? notFound(what, error) : fileError(error, `error renaming: ${shown}`);
  }
}

/** @throws SandboxError invalid_argument for paths whose last name is none */
export function checkNamed(place: Place, path: string): void {
  if (place.name !== "" && place.name !== "." && place.name !== "..") return;
  throw new SandboxError("invalid_argument", `path ${JSON.stringify(path)} has no name that could be moved or removed`);
}

function notFound(what: string, error: unknown): SandboxError {
  return new SandboxError("not_found", `${what}: ${errnoText(error)}`, { cause: error });
}
