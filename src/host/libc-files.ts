import { bind, type IntCall, type LibraryCall, libraryCall, type PoolCall } from "./libc-binding.ts";

/*
 * The calls of the C library about files that Node has no function for. Since they may wait for a disk or a file server, each
 * function says only what is to be called, and whoever asks decides on which thread.
 */

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const RENAME_NOREPLACE = 1;
/** Names of all attributes of one file: the kernel's own limit (XATTR_LIST_MAX). */
const ATTRIBUTE_LIST_BYTES = 64 * 1024;
const ATTRIBUTE_VALUE_BYTES = 64 * 1024;

const native = {
  listxattr: bind<IntCall<[Buffer, Buffer | null, number]> & PoolCall<[Buffer, Buffer, number]>>(
    "int64_t listxattr(const void *path, void *list, size_t size)",
  ),
  getxattr: bind<PoolCall<[Buffer, string, Buffer, number]>>(
    "int64_t getxattr(const void *path, const char *name, void *value, size_t size)",
  ),
  setxattr: bind<PoolCall<[Buffer, string, Uint8Array, number, number]>>(
    "int setxattr(const void *path, const char *name, const void *value, size_t size, int flags)",
  ),
  removexattr: bind<PoolCall<[Buffer, string]>>("int removexattr(const void *path, const char *name)"),
  linkat: bind<PoolCall<[number, Buffer, number, Buffer, number]>>(
    "int linkat(int from_fd, const void *from, int to_fd, const void *to, int flags)",
  ),
  renameat2: bind<PoolCall<[number, Buffer, number, Buffer, number]>>(
    "int renameat2(int from_fd, const void *from, int to_fd, const void *to, uint32_t flags)",
  ),
  mkfifo: bind<PoolCall<[Buffer, number]>>("int mkfifo(const void *path, uint32_t mode)"),
};

/** A path as Node's own calls take it: text, or bytes that need not be UTF-8. */
export type FilePath = string | Uint8Array;

/** A path for the kernel: bytes as they are, ended by a NUL. */
export function cPath(path: FilePath): Buffer {
  return typeof path === "string" ? Buffer.from(`${path}\0`) : Buffer.concat([path, Buffer.of(0)]);
}

/**
 * Whether the file (the one that a link leads to) has an extended attribute whose name begins with `prefix`; false when that cannot
 * be told. Waits for the file system: for local ones, and files whose inode was just looked at.
 */
export function hasAttributesNow(path: FilePath, prefix: string): boolean {
  const file = cPath(path);
  // Most files have none; asking for no more than the length is the cheapest call.
  const length = native.listxattr(file, null, 0);
  if (length <= 0) return false;
  const names = Buffer.alloc(length);
  return native.listxattr(file, names, length) < 0 || names.includes(prefix);
}

/** Names of the extended attributes of a file; links are followed. */
export function listAttributes(path: FilePath): LibraryCall<string[]> {
  const names = Buffer.allocUnsafe(ATTRIBUTE_LIST_BYTES);
  const read = (length: number): string[] => names.toString("utf8", 0, length).split("\0").slice(0, -1);
  return libraryCall("listxattr", native.listxattr, [cPath(path), names, names.length], read);
}

/** Value of one extended attribute; links are followed. */
export function readAttribute(path: FilePath, name: string): LibraryCall<Buffer> {
  const value = Buffer.allocUnsafe(ATTRIBUTE_VALUE_BYTES);
  const read = (length: number): Buffer => Buffer.from(value.subarray(0, length));
  return libraryCall("getxattr", native.getxattr, [cPath(path), name, value, value.length], read);
}

/** Sets one extended attribute; links are followed. */
export function writeAttribute(path: FilePath, name: string, value: Uint8Array): LibraryCall<void> {
  return libraryCall("setxattr", native.setxattr, [cPath(path), name, value, value.length, 0]);
}

/** Removes one extended attribute; links are followed. */
export function removeAttribute(path: FilePath, name: string): LibraryCall<void> {
  return libraryCall("removexattr", native.removexattr, [cPath(path), name]);
}

/** Gives an open file that has no name (O_TMPFILE) the name `path`; never replaces anything. */
export function linkDescriptor(fd: number, path: FilePath): LibraryCall<void> {
  const from = cPath(`/proc/self/fd/${fd}`);
  return libraryCall("linkat", native.linkat, [AT_FDCWD, from, AT_FDCWD, cPath(path), AT_SYMLINK_FOLLOW]);
}

/** Renames unless something is called `to`: EEXIST then; EINVAL where the file system cannot tell in one step. */
export function renameExclusively(from: FilePath, to: FilePath): LibraryCall<void> {
  const args: [number, Buffer, number, Buffer, number] = [AT_FDCWD, cPath(from), AT_FDCWD, cPath(to), RENAME_NOREPLACE];
  return libraryCall("renameat2", native.renameat2, args);
}

/** Makes a FIFO. */
export function makeFifo(path: FilePath, mode: number): LibraryCall<void> {
  return libraryCall("mkfifo", native.mkfifo, [cPath(path), mode]);
}
