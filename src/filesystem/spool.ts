import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chown, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoName } from "../errors.ts";
import type { FileAccess, FileDescriptor } from "../host/file-access.ts";
import { OWN_FILE_ACCESS } from "../host/own-file-access.ts";
import { makeDirectoriesInPool } from "../lib/make-directories.ts";
import type { Directory } from "./directory.ts";
import { isNoSpace } from "./failures.ts";
import { writeFully } from "./write-fully.ts";

const { O_RDWR, O_CREAT, O_EXCL, O_DIRECTORY } = constants;
/** A file without a name in a directory's file system. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY;
const PRIVATE_FILE_MODE = 0o600;
const PRIVATE_DIRECTORY_MODE = 0o700;
/** Users get through to directories of their own. */
const SHARED_DIRECTORY_MODE = 0o711;
const COPY_BYTES = 1024 * 1024;

/** A file without a name that takes what arrives; gone when disposed, or when the daemon is. */
export class Spool implements AsyncDisposable {
  readonly #handle: FileDescriptor;
  /** Directory in which it may get a name, good as long as the one it was opened for; undefined: it may get none. */
  readonly home: string | undefined;
  #sizeBytes = 0;

  constructor(handle: FileDescriptor, home: string | undefined) {
    this.#handle = handle;
    this.home = home;
  }

  /** Whether it may get a name. */
  get isLinkable(): boolean {
    return this.home !== undefined;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get handle(): FileDescriptor {
    return this.#handle;
  }

  /** One call at a time. @throws the system error of write */
  async append(chunks: readonly Buffer[]): Promise<void> {
    const position = this.#sizeBytes;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#sizeBytes += bytes;
    const { bytesWritten } = await this.#handle.writev(chunks, position);
    if (bytesWritten === bytes) return;
    await writeFully(this.#handle, Buffer.concat(chunks).subarray(bytesWritten), position + bytesWritten);
  }

  /** Writes bytes `from` to `end` to the same positions of `file`, or `shift` behind them. @throws the system error of write */
  async copyTo(file: FileDescriptor, from: number, end: number, shift = 0): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, Math.max(end - from, 0)));
    for (let position = from; position < end;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, Math.min(buffer.length, end - position), position);
      if (bytesRead === 0) throw new Error(`a spooled upload ends at ${position} instead of ${end}`);
      await writeFully(file, buffer.subarray(0, bytesRead), position + shift);
      position += bytesRead;
    }
  }

  /** Gives it a name. @throws the system error of linkat: EEXIST when the name is taken */
  async linkAs(path: string): Promise<void> {
    await this.#handle.access.linkDescriptor(this.#handle.fd, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle[Symbol.asyncDispose]();
  }
}

/**
 * Opens spools for files of `near`: without a name in its file system, so that they need no copying in the end. If the daemon's own
 * directory is on that file system they are there, where no watcher sees the writes; file systems that have no nameless files get one
 * in the daemon's directory whose name is removed at once.
 * @throws the system error of open
 */
export async function openSpool(near: Directory, ownDirectory: string): Promise<Spool> {
  const { access } = near;
  const own = await makeHome(access, ownDirectory);
  const [{ dev }, { dev: ownDev }] = await Promise.all([near.identity(), stat(own, { bigint: true })]);
  const homes = dev === ownDev ? [own] : [near.self];
  // Users may not get through to the daemon's directory; those they write to they reach.
  if (access.user && dev === ownDev) homes.push(near.self);
  for (const home of homes) {
    try {
      return new Spool(await access.open(home, O_RDWR | O_TMPFILE, PRIVATE_FILE_MODE), home);
    } catch (error) {
      if (isNoSpace(error) || errnoName(error) === "EMFILE") throw error;
    }
  }
  return openUnlinked(ownDirectory);
}

/** Makes the directory of spools for those who act with the rights of `access`. */
async function makeHome({ user }: FileAccess, ownDirectory: string): Promise<string> {
  // Also for whoever writes as guestd itself: it may be the first one, and users come later.
  await makeDirectoriesInPool(ownDirectory, SHARED_DIRECTORY_MODE);
  if (!user) return ownDirectory;
  const home = join(ownDirectory, String(user.uid));
  await makeDirectoriesInPool(home, PRIVATE_DIRECTORY_MODE);
  await chown(home, user.uid, user.gid);
  return home;
}

/** One that can have no name: nobody's rights matter. */
async function openUnlinked(directory: string): Promise<Spool> {
  const path = join(directory, randomBytes(16).toString("hex"));
  await using stack = new AsyncDisposableStack();
  const handle = stack.use(await OWN_FILE_ACCESS.open(path, O_RDWR | O_CREAT | O_EXCL, PRIVATE_FILE_MODE));
  await unlink(path);
  stack.move();
  return new Spool(handle, undefined);
}
