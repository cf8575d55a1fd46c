import { posix } from "node:path";
import { errnoName, SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FileAccess, FileRights } from "../host/file-access.ts";
import { checkPath } from "../host/paths.ts";
import type { Identity } from "../host/users.ts";
import type { Expectation } from "./atomic-writes.ts";
import { stateOf } from "./downloads.ts";
import { fileError, isMissing } from "./failures.ts";
import type { FileLocks } from "./file-locks.ts";
import { type Caller, checkNamed, checkThere } from "./filesystem.ts";
import { makeLink, replaceByLink } from "./make-link.ts";
import { copyPlace, movePlace } from "./move.ts";
import { type Owner, ownerFor } from "./owner.ts";
import { readOwnership } from "./ownership.ts";
import { locate, locateTarget, type Place } from "./place.ts";
import { removeTree } from "./remove.ts";
import { isDirectory } from "./stats.ts";
import { type Visited, visitTree } from "./visit.ts";

/** Last names of paths that only a directory can have. */
const NO_NAMES = new Set(["", ".", ".."]);

/** Who asks, and of what. */
interface Request {
  user: Identity;
  access: FileAccess;
  /** Absolute. */
  path: string;
  caller: Caller;
}

/**
 * Moving, copying, removing and describing anew what is in the file system, for callers who say exactly what may be lost by it.
 * Each path is looked up once; from there on everything happens on open directories and files, and no link that comes later is followed.
 * Any calls may run at once; who replaces or removes a file waits for those who write it.
 */
export class Changes {
  readonly #exec: ExecContext;
  readonly #rights: FileRights;
  readonly #locks: FileLocks;

  constructor(deps: { exec: ExecContext; rights: FileRights; locks: FileLocks }) {
    this.#exec = deps.exec;
    this.#rights = deps.rights;
    this.#locks = deps.locks;
  }

  /**
   * Removes a file, link or empty directory; with `isRecursive` a directory with everything in it.
   * @throws SandboxError not_found, failed_precondition (directory_not_empty), invalid_argument (a home or the root), permission_denied
   */
  async remove(
    path: string,
    { isRecursive, expect }: { isRecursive: boolean; expect: Expectation | undefined },
    caller: Caller,
  ): Promise<void> {
    const request = this.#request(path, caller);
    using place = await this.#named(request);
    checkDispensable(request);
    using _ = await this.#locks.ofName(place);
    expect?.(await stateOf(place, request.path));
    try {
      await request.access.lstat(place.path);
      if (isRecursive) await removeTree(place.directory, place.name);
      else await removeOne(place);
    } catch (error) {
      throw removeError(error, request.path);
    }
  }

  /**
   * Makes a directory and those above it, or leaves the one that is there as it is.
   * @returns whether it is new
   * @throws SandboxError already_exists when something else is there, permission_denied
   */
  async makeDirectory(path: string, { mode }: { mode: number | undefined }, caller: Caller): Promise<boolean> {
    const request = this.#request(path, caller);
    const owner = ownerFor(request.user);
    using place = await locate(request.access, request.path);
    await place.makeDirectories(owner);
    if (NO_NAMES.has(place.name)) return false;
    try {
      await place.makeDirectory(owner, mode);
      return true;
    } catch (error) {
      if (errnoName(error) !== "EEXIST") throw fileError(error, `cannot make the directory ${request.path}`);
    }
    if (await leadsToDirectory(request)) return false;
    throw new SandboxError("already_exists", `there is ${request.path} already, but it is not a directory`);
  }

  /** A link is moved itself. @throws SandboxError not_found, already_exists (unless it may replace a file), failed_precondition, permission_denied */
  async move(path: string, to: string, options: { mayReplace: boolean }, caller: Caller): Promise<string> {
    return this.#place("rename", { path, to }, caller, async (source, target, shown) => {
      await movePlace(source, target, { ...options, shown, signal: caller.signal });
    });
  }

  /** A directory with everything in it; links are copied as links. What is made belongs to the caller's user. @throws as {@link move} */
  async copy(path: string, to: string, options: { mayReplace: boolean }, caller: Caller): Promise<string> {
    return this.#place("copy", { path, to }, caller, async (source, target, shown, owner) => {
      await copyPlace(source, target, { ...options, shown, owner, signal: caller.signal });
    });
  }

  /** A last link is followed. @throws SandboxError not_found, permission_denied */
  async changeMode(path: string, options: { mode: number; isRecursive: boolean }, caller: Caller): Promise<void> {
    const { mode, isRecursive } = options;
    await this.#visit(path, { isRecursive, what: "change the mode of" }, caller, ({ access, self }) =>
      access.changeMode(self, mode),
    );
  }

  /** A last link is followed. @throws SandboxError not_found, invalid_argument (no such account), permission_denied */
  async changeOwner(
    path: string,
    options: { owner: string | undefined; group: string | undefined; isRecursive: boolean },
    caller: Caller,
  ): Promise<void> {
    const { isRecursive } = options;
    const { uid, gid } = readOwnership(this.#exec.users, options);
    await this.#visit(path, { isRecursive, what: "change the owner of" }, caller, ({ access, self }) =>
      access.changeOwner(self, uid, gid),
    );
  }

  /** Makes a link, with the directories above it. @throws SandboxError already_exists (unless it may replace a file), invalid_argument, permission_denied */
  async link(path: string, options: { target: string; mayReplace: boolean }, caller: Caller): Promise<void> {
    const { target, mayReplace } = options;
    checkPath(target);
    const request = this.#request(path, caller);
    const owner = ownerFor(request.user);
    using place = await locate(request.access, request.path);
    checkNamed(place, request.path);
    await place.makeDirectories(owner);
    using _ = await this.#locks.ofName(place);
    try {
      if (await makeLink(place.directory, place.name, { target, owner })) return;
      if (!mayReplace) throw new SandboxError("already_exists", `something is at ${request.path} already`, OVERWRITE);
      await replaceByLink(place.directory, place.name, { target, owner });
    } catch (error) {
      throw fileError(error, `cannot make the link ${request.path}`);
    }
  }

  #request(path: string, caller: Caller): Request {
    const user = this.#exec.user(caller.user);
    return { user, caller, access: this.#rights.of(user), path: this.#exec.resolve(path, user) };
  }

  async #named({ access, path }: Request): Promise<Place> {
    using stack = new DisposableStack();
    const place = stack.use(await locate(access, path));
    checkNamed(place, path);
    if (!place.hasDirectory) throw notThere(path, undefined);
    stack.move();
    return place;
  }

  async #place(
    verb: "rename" | "copy",
    paths: { path: string; to: string },
    caller: Caller,
    work: (source: Place, target: Place, shown: string, owner: Owner) => Promise<void>,
  ): Promise<string> {
    const from = this.#request(paths.path, caller);
    const to = this.#request(paths.to, caller);
    const owner = ownerFor(from.user);
    const shown = `${verb} ${from.path} ${to.path}`;
    using source = await this.#named(from);
    await checkThere(source, shown);
    using target = await locate(to.access, to.path);
    checkNamed(target, to.path);
    await target.makeDirectories(owner);
    using _ = await this.#locks.ofName(target);
    try {
      await work(source, target, shown, owner);
    } catch (error) {
      throw withOverwriteHint(error);
    }
    return to.path;
  }

  async #visit(
    path: string,
    { isRecursive, what }: { isRecursive: boolean; what: string },
    caller: Caller,
    visit: (visited: Visited) => Promise<void>,
  ): Promise<void> {
    const request = this.#request(path, caller);
    using place = await locateTarget(request.access, request.path);
    if (!place.hasDirectory) throw notThere(request.path, undefined);
    try {
      const name = place.name === "" ? "." : place.name;
      if (await visitTree(place.directory, name, { isRecursive, visit, signal: caller.signal })) return;
    } catch (error) {
      if (isMissing(error)) throw notThere(request.path, error);
      throw fileError(error, `cannot ${what} ${request.path}`);
    }
    throw new SandboxError("failed_precondition", `cannot ${what} ${request.path}: a link that leads nowhere`);
  }
}

const NOT_EMPTY = new Set(["ENOTEMPTY", "EEXIST"]);
const OVERWRITE = { hint: 'send "overwrite": true to replace a file' } as const;

function withOverwriteHint(error: unknown): unknown {
  if (!(error instanceof SandboxError) || error.code !== "already_exists") return error;
  return new SandboxError(error.code, error.message, { ...OVERWRITE, cause: error });
}

async function leadsToDirectory({ access, path }: Request): Promise<boolean> {
  try {
    return isDirectory(await access.stat(path));
  } catch (error) {
    if (isMissing(error)) return false; // a link that leads nowhere
    throw fileError(error, `cannot make the directory ${path}`);
  }
}

async function removeOne({ access, path }: Place): Promise<void> {
  try {
    await access.unlink(path);
  } catch (error) {
    if (errnoName(error) !== "EISDIR") throw error;
    await access.removeDirectory(path);
  }
}

function removeError(error: unknown, path: string): SandboxError {
  if (isMissing(error)) return notThere(path, error);
  if (!NOT_EMPTY.has(errnoName(error) ?? "")) return fileError(error, `cannot remove ${path}`);
  return new SandboxError("failed_precondition", `cannot remove ${path}: the directory is not empty`, {
    reason: "directory_not_empty",
    hint: "ask for ?recursive=1 to remove it with everything in it",
    cause: error,
  });
}

/** A name that somebody forgot in a path must not cost them everything. @throws SandboxError invalid_argument */
function checkDispensable({ path, user }: Request): void {
  const cleaned = posix.normalize(path).replace(/(.)\/$/, "$1");
  if (cleaned !== "/" && cleaned !== user.home) return;
  throw new SandboxError("invalid_argument", `${path} is a home or the root: it is not removed as a whole`, {
    hint: "remove what is in it",
  });
}

function notThere(path: string, cause: unknown): SandboxError {
  return new SandboxError("not_found", `nothing is at ${path}`, { cause });
}
