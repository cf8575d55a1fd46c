import { constants } from "node:fs";
import { posix } from "node:path";
import { crc32 } from "node:zlib";
import { SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FileAccess, FileDescriptor, FileRights, FileStats } from "../host/file-access.ts";
import type { Identity } from "../host/users.ts";
import { fileError, isMissing, notRegular, withContext } from "./failures.ts";
import type { Caller } from "./filesystem.ts";
import type { Place } from "./place.ts";
import { isDirectory, isRegular } from "./stats.ts";

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
/** Read when a file is opened: small files whole, of larger ones enough to tell what they are. */
const MAX_HEAD_BYTES = 64 * 1024;

/** What tells one state of a file from another. */
export interface FileState {
  /** Changes whenever the content does; undefined where nothing tells. */
  version: string | undefined;
  modifiedMs: number;
}

/** A file opened for reading. Whoever opens it disposes it. */
export class OpenFile implements AsyncDisposable {
  readonly name: string;
  /** Its first bytes. */
  readonly head: Buffer;
  /**
   * How much there is to read; undefined while nobody knows: the kernel makes up the content of some files as they are read,
   * and gives them any size.
   */
  readonly sizeBytes: number | undefined;
  readonly modifiedMs: number;
  /** As it was when it was opened. */
  readonly stats: FileStats;
  /** Changes whenever the content does; undefined where nothing tells. */
  readonly version: string | undefined;
  readonly #handle: FileDescriptor;

  constructor(options: { name: string; handle: FileDescriptor; head: Buffer; isWhole: boolean; stats: FileStats }) {
    const { head, isWhole, stats } = options;
    const statedBytes = Number(stats.size);
    this.name = options.name;
    this.stats = stats;
    this.#handle = options.handle;
    this.head = head;
    this.sizeBytes = isWhole ? head.length : statedBytes >= head.length ? statedBytes : undefined;
    this.modifiedMs = Number(stats.mtimeNs / 1_000_000n);
    const isKept = this.sizeBytes === statedBytes;
    this.version = isKept ? versionOf(stats, isWhole ? head : undefined) : undefined;
  }

  /** Whether {@link head} is all there is. */
  get isWhole(): boolean {
    return this.sizeBytes === this.head.length;
  }

  /** Reads at `position`, or on from the last read where that is null. 0 is the end. @throws SandboxError internal */
  async read(buffer: Buffer, position: number | null): Promise<number> {
    try {
      return (await this.#handle.read(buffer, 0, buffer.length, position)).bytesRead;
    } catch (error) {
      throw fileError(error, `error reading file '${this.name}'`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle[Symbol.asyncDispose]();
  }
}

/** Opening files for reading. Stateless. */
export class Downloads {
  readonly #exec: ExecContext;
  readonly #rights: FileRights;

  constructor(deps: { exec: ExecContext; rights: FileRights }) {
    this.#exec = deps.exec;
    this.#rights = deps.rights;
  }

  /** Follows links. @throws SandboxError not_found, invalid_argument (directory, path), failed_precondition (not a regular file), permission_denied, internal */
  async open(path: string, caller: Caller): Promise<OpenFile> {
    const user = this.#exec.user(caller.user);
    const access = this.#rights.of(user);
    const resolved = this.#resolve(path, user);
    const expected = await look(access, resolved);
    if (isDirectory(expected)) {
      throw new SandboxError("invalid_argument", `path '${resolved}' is a directory`, { reason: "is_directory" });
    }
    if (!isRegular(expected)) throw notRegular(resolved);
    return openRegular(access, resolved, { shownPath: resolved, expectedBytes: Number(expected.size) });
  }

  #resolve(path: string, user: Identity): string {
    try {
      return this.#exec.resolve(path, user);
    } catch (error) {
      throw withContext(error, `error expanding and resolving path '${path}'`);
    }
  }
}

/** The state of the file at `place`, a link not followed; undefined: nothing is there. @throws SandboxError */
export async function stateOf(place: Place, shownPath: string): Promise<FileState | undefined> {
  if (!place.hasDirectory) return undefined;
  try {
    const { access } = place;
    const { size } = await access.lstat(place.path);
    await using file = await openRegular(access, place.path, {
      shownPath,
      expectedBytes: Number(size),
      flags: O_NOFOLLOW,
    });
    return { version: file.version, modifiedMs: file.modifiedMs };
  } catch (error) {
    if (isMissing(error) || (error instanceof SandboxError && isMissing(error.cause))) return undefined;
    throw fileError(error, `error opening file '${shownPath}'`);
  }
}

/** The state of an open file, whatever it is called by now. @throws SandboxError */
export async function stateOfOpen(file: FileDescriptor, shownPath: string): Promise<FileState> {
  const expectedBytes = Number((await file.stat()).size);
  await using opened = await openRegular(file.access, file.self, { shownPath, expectedBytes });
  return { version: opened.version, modifiedMs: opened.modifiedMs };
}

/** {@link stateOf} what was just written: somebody who may write a file need not be allowed to read it, and has written it all the same. */
export async function stateAfterWriting(place: Place, shownPath: string): Promise<FileState | undefined> {
  try {
    return await stateOf(place, shownPath);
  } catch {
    return undefined; // then there is no ETag to tell
  }
}

async function look(access: FileAccess, path: string): Promise<FileStats> {
  try {
    return await access.stat(path);
  } catch (error) {
    if (isMissing(error)) throw new SandboxError("not_found", `path '${path}' does not exist`, { cause: error });
    throw fileError(error, `error checking if path exists '${path}'`);
  }
}

/** Whatever has taken the file's place by now, opening it does not wait. */
async function openRegular(
  access: FileAccess,
  path: string,
  { shownPath, expectedBytes, flags = 0 }: { shownPath: string; expectedBytes: number; flags?: number },
): Promise<OpenFile> {
  await using stack = new AsyncDisposableStack();
  try {
    const handle = stack.use(await access.open(path, O_RDONLY | O_NONBLOCK | flags));
    // One byte more than there should be shows whether there is more.
    const buffer = Buffer.allocUnsafe(
      expectedBytes === 0 ? MAX_HEAD_BYTES : Math.min(expectedBytes + 1, MAX_HEAD_BYTES),
    );
    const [stats, first] = await Promise.all([handle.stat(), handle.read(buffer, 0, buffer.length, null)]);
    if (!isRegular(stats)) throw notRegular(shownPath);
    const { length, isWhole } = await readHead(handle, buffer, { length: first.bytesRead, statedBytes: stats.size });
    stack.move();
    return new OpenFile({ name: posix.basename(shownPath), handle, head: buffer.subarray(0, length), isWhole, stats });
  } catch (error) {
    throw fileError(error, `error opening file '${shownPath}'`);
  }
}

/** Files whose content is made up come in pieces of any size, and only an empty one is the end. */
async function readHead(
  handle: FileDescriptor,
  buffer: Buffer,
  first: { length: number; statedBytes: bigint },
): Promise<{ length: number; isWhole: boolean }> {
  let { length } = first;
  if (BigInt(length) === first.statedBytes && length < buffer.length) return { length, isWhole: true };
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return { length, isWhole: true };
    length += bytesRead;
  }
  return { length, isWhole: false };
}

/** Two changes within one tick of the file system's clock leave the same times: of small files the content counts too. */
function versionOf(stats: FileStats, content: Buffer | undefined): string {
  const parts = [stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs];
  if (content) parts.push(BigInt(crc32(content)));
  return parts.map((part) => part.toString(36)).join("-");
}
