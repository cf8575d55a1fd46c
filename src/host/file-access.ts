import { close, closeSync, fstat, fsync, ftruncate, read, write, writev } from "node:fs";
import { promisify } from "node:util";
import { type FileStats, statCached } from "./libc-cached.ts";
import type { FilePath } from "./libc-files.ts";
import type { Identity } from "./users.ts";

export type { FileStats } from "./libc-cached.ts";
export type { FilePath } from "./libc-files.ts";

/** What a directory itself says of an entry. */
export interface DirectoryEntry {
  /** One character for each byte of the name (Latin-1). */
  name: string;
  type: "file" | "directory" | "other";
}

/** An entry of a directory with its details. */
export interface ListedEntry {
  /** Its exact bytes. */
  name: Buffer;
  type: DirectoryEntry["type"];
  /** Undefined when it may not be looked at. */
  stats: FileStats | undefined;
  /** Whether it is a file or directory with an extended attribute of the prefix that was asked for. */
  hasAttributes: boolean;
}

/**
 * Everything that is done to files by their paths, with somebody's rights: who that is decides what is allowed. What has been opened is read
 * and written without any more questions. All calls reject with the system's error.
 */
export interface FileAccess {
  /** Whose rights they are; undefined: those of guestd. */
  readonly user: Identity | undefined;
  /** Whoever opens it disposes it. */
  open(path: FilePath, flags: number, mode?: number): Promise<FileDescriptor>;
  stat(path: FilePath): Promise<FileStats>;
  lstat(path: FilePath): Promise<FileStats>;
  /**
   * What the kernel tells without waiting for anything; undefined when it cannot, also when nothing is there. What may change can be out of
   * date unless the file system is local.
   */
  lstatCached(path: FilePath): FileStats | undefined;
  /**
   * What is in a directory in the order of the names' bytes, some hundred entries at a time; what vanishes meanwhile is left out.
   * `attributePrefix` begins the names of the extended attributes that matter.
   */
  list(path: FilePath, attributePrefix: string): AsyncIterable<ListedEntry[]>;
  /** Names as one character for each of their bytes (Latin-1): their order is that of the bytes. */
  readNames(path: FilePath): Promise<string[]>;
  readEntries(path: FilePath): Promise<DirectoryEntry[]>;
  readLink(path: FilePath): Promise<Buffer>;
  /** Without links; bytes that are not UTF-8 are U+FFFD. */
  realPath(path: FilePath): Promise<string>;
  makeDirectory(path: FilePath, mode: number): Promise<void>;
  removeDirectory(path: FilePath): Promise<void>;
  unlink(path: FilePath): Promise<void>;
  rename(from: FilePath, to: FilePath): Promise<void>;
  /** EEXIST when something is called `to`; EINVAL where the file system cannot tell in one step. */
  renameExclusively(from: FilePath, to: FilePath): Promise<void>;
  link(from: FilePath, to: FilePath): Promise<void>;
  /** Gives an open file that has no name (O_TMPFILE) one; never replaces anything. */
  linkDescriptor(fd: number, path: FilePath): Promise<void>;
  makeLink(target: FilePath, path: FilePath): Promise<void>;
  makeFifo(path: FilePath, mode: number): Promise<void>;
  /** -1 leaves an id as it is. A last link is followed. */
  changeOwner(path: FilePath, uid: number, gid: number): Promise<void>;
  /** As {@link changeOwner}, of a link itself. */
  changeLinkOwner(path: FilePath, uid: number, gid: number): Promise<void>;
  changeMode(path: FilePath, mode: number): Promise<void>;
  /** Seconds of Unix time. */
  setTimes(path: FilePath, accessed: number, modified: number): Promise<void>;
  setLinkTimes(path: FilePath, accessed: number, modified: number): Promise<void>;
  /**
   * Whether the file (the one that a link leads to) has an extended attribute whose name begins with `prefix`; false when that cannot
   * be told. May wait for the file system and hold up everybody: for local ones, and files whose inode was just looked at.
   */
  hasAttributes(path: FilePath, prefix: string): boolean | Promise<boolean>;
  /** Names of the extended attributes; here and in the next three a last link is followed. */
  listAttributes(path: FilePath): Promise<string[]>;
  readAttribute(path: FilePath, name: string): Promise<Buffer>;
  writeAttribute(path: FilePath, name: string, value: Uint8Array): Promise<void>;
  removeAttribute(path: FilePath, name: string): Promise<void>;
}

/** Whose rights the file operations of a user have. */
export interface FileRights {
  /** @throws SandboxError permission_denied when nobody can act as that user */
  of(user: Identity): FileAccess;
}

// The callback interface takes a third of the time of the promised one.
const calls = {
  close: promisify(close),
  fstat: promisify(fstat),
  fsync: promisify(fsync),
  ftruncate: promisify(ftruncate),
  read: promisify(read),
  write: promisify(write),
  writev: promisify(writev),
};

/**
 * An open file. What it was opened for needs no more rights; owner and mode are changed with the rights of whoever opened it.
 * All calls reject with the system's error.
 */
export class FileDescriptor implements AsyncDisposable {
  readonly fd: number;
  /** The rights it was opened with. */
  readonly access: FileAccess;
  #isOpen = true;

  constructor(fd: number, access: FileAccess) {
    this.fd = fd;
    this.access = access;
  }

  /** A path of the file for any call, whatever it is called by now; good while it is open. */
  get self(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** At `position`, or on from the last read where that is null. 0 bytes are the end. */
  read(buffer: Buffer, offset: number, length: number, position: number | null): Promise<{ bytesRead: number }> {
    return calls.read(this.fd, buffer, offset, length, position);
  }

  /** May write less than all. */
  write(buffer: Buffer, offset: number, length: number, position: number | null): Promise<{ bytesWritten: number }> {
    return calls.write(this.fd, buffer, offset, length, position);
  }

  /** May write less than all. */
  writev(buffers: readonly Buffer[], position: number): Promise<{ bytesWritten: number }> {
    return calls.writev(this.fd, buffers, position);
  }

  /** As {@link FileAccess.lstatCached}. */
  statCached(): FileStats | undefined {
    return statCached(this.fd);
  }

  stat(): Promise<FileStats> {
    return calls.fstat(this.fd, { bigint: true });
  }

  truncate(sizeBytes: number): Promise<void> {
    return calls.ftruncate(this.fd, sizeBytes);
  }

  /** Resolves when the disk has content and attributes. */
  sync(): Promise<void> {
    return calls.fsync(this.fd);
  }

  chown(uid: number, gid: number): Promise<void> {
    return this.access.changeOwner(this.self, uid, gid);
  }

  chmod(mode: number): Promise<void> {
    return this.access.changeMode(this.self, mode);
  }

  /** For what was opened with O_PATH: closing that does nothing that could wait. */
  closeNow(): void {
    if (this.#isOpen) closeSync(this.fd);
    this.#isOpen = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await calls.close(this.fd);
  }
}
