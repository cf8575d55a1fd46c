import { constants } from "node:fs";
import { posix } from "node:path";
import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FileAccess, FileDescriptor, FileRights } from "../host/file-access.ts";
import type { Identity } from "../host/users.ts";
import { fileError, isMissing, isNoSpace, noSpace, withContext } from "./failures.ts";
import type { FileLocks } from "./file-locks.ts";
import type { Caller } from "./filesystem.ts";
import { type Owner, ownerFor } from "./owner.ts";
import { locate, type Place } from "./place.ts";
import { openSpool, type Spool } from "./spool.ts";
import { withStaged } from "./staged-file.ts";
import { isRegular } from "./stats.ts";
import { inDirectory } from "./write-target.ts";

const { O_RDONLY, O_NONBLOCK } = constants;
const READ_BYTES = 1024 * 1024;

/** Files to be put one after the other. */
export interface Composition {
  sources: readonly string[];
  destination: string;
}

interface Source extends AsyncDisposable {
  path: string;
  place: Place;
  file: FileDescriptor;
}

/** Making one file of several, which are gone then. Any calls may run at once. */
export class Compositions {
  readonly #exec: ExecContext;
  readonly #rights: FileRights;
  readonly #locks: FileLocks;
  readonly #spoolDirectory: string;

  /** `spoolDirectory` is the daemon's own, made when first needed. */
  constructor(deps: { exec: ExecContext; rights: FileRights; locks: FileLocks; spoolDirectory: string }) {
    this.#exec = deps.exec;
    this.#rights = deps.rights;
    this.#locks = deps.locks;
    this.#spoolDirectory = deps.spoolDirectory;
  }

  /**
   * Puts what the sources hold, in their order, in the place of the destination, whole, and removes them. Until then nothing changes; a
   * failure leaves all of them, and what was at the destination.
   * @returns the destination's absolute path
   * @throws SandboxError in the words of the wire contract
   */
  async compose({ sources, destination }: Composition, caller: Caller): Promise<string> {
    const user = this.#exec.user(caller.user);
    const owner = ownerFor(user);
    const access = this.#rights.of(user);
    const path = this.#resolve(destination, user, "error resolving destination path");
    const paths = sources.map((source) => this.#resolveSource(source, user, path));
    await using stack = new AsyncDisposableStack();
    const opened: Source[] = [];
    for (const source of paths) opened.push(stack.use(await openSource(access, source)));
    const place = stack.use(await inDirectory(locate(access, path)));
    await inDirectory(place.makeDirectories(owner));
    const spool = stack.use(await this.#openSpool(place));
    for (const source of opened) await append(spool, source, caller.signal);
    await this.#finish(place, spool, owner);
    for (const source of opened) await removeSource(source);
    return path;
  }

  #resolve(path: string, user: Identity, what: string): string {
    try {
      return this.#exec.resolve(path, user);
    } catch (error) {
      throw withContext(error, what);
    }
  }

  #resolveSource(source: string, user: Identity, destination: string): string {
    const path = this.#resolve(source, user, `error resolving source path ${JSON.stringify(source)}`);
    if (posix.normalize(path) !== posix.normalize(destination)) return path;
    const message = `source path ${JSON.stringify(source)} cannot be the same as destination`;
    throw new SandboxError("invalid_argument", message);
  }

  async #openSpool(place: Place): Promise<Spool> {
    try {
      return await openSpool(place.directory, this.#spoolDirectory);
    } catch (error) {
      throw composeError(error, "creating destination file");
    }
  }

  async #finish(place: Place, spool: Spool, owner: Owner): Promise<void> {
    using _ = await this.#locks.ofName(place);
    try {
      await withStaged(spool, place.directory, async (staged) => {
        await staged.give(owner, undefined);
        await staged.replace(place.path);
      });
    } catch (error) {
      throw composeError(error, "finalizing compose");
    }
  }
}

async function openSource(access: FileAccess, path: string): Promise<Source> {
  await using stack = new AsyncDisposableStack();
  try {
    const place = stack.use(await locate(access, path));
    if (!place.hasDirectory) throw notFound(path);
    const file = stack.use(await access.open(place.path, O_RDONLY | O_NONBLOCK));
    if (!isRegular(await file.stat())) throw notRegular(path);
    const owned = stack.move();
    return { path, place, file, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  } catch (error) {
    if (isMissing(error)) throw notFound(path, error);
    throw fileError(error, `error opening source file ${path}`);
  }
}

async function append(spool: Spool, { path, file }: Source, signal: AbortSignal | undefined): Promise<void> {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      await spool.append([buffer.subarray(0, bytesRead)]);
    }
  } catch (error) {
    throw composeError(error, `composing source ${path}`);
  }
}

/** The composed file is in place: a source that somebody has replaced or locked away since is not its failure. */
async function removeSource({ place, file }: Source): Promise<void> {
  try {
    const [named, opened] = await Promise.all([place.access.stat(place.path), file.stat()]);
    if (named.ino === opened.ino && named.dev === opened.dev) await place.access.unlink(place.path);
  } catch {
    // It stays, as another file does.
  }
}

function composeError(error: unknown, what: string): unknown {
  if (isNoSpace(error)) return noSpace("not enough disk space available", error);
  return fileError(error, `error ${what}`);
}

function notFound(path: string, cause?: unknown): SandboxError {
  return new SandboxError("not_found", `source file not found: ${path}`, { cause });
}

function notRegular(path: string): SandboxError {
  return new SandboxError("invalid_argument", `source path is not a regular file: ${path}`);
}
