import { closeSync, constants } from "node:fs";
import { bind, type IntCall } from "./libc-binding.ts";
import { cPath, type FilePath } from "./libc-files.ts";

/*
 * Looking at what the kernel has in memory, on this thread: a job of the thread pool takes twenty times as long, and most paths have been
 * looked at before. Nothing here waits for a disk, a file server or a program that serves files: what would have to is `undefined`.
 */

/** Opens a place in the tree without any right to its content. */
export const O_PATH = 0o10000000;

const OPENAT2 = 437;
const RESOLVE_CACHED = 0x20;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
/** What a file server would have to be asked for is told as it was last. */
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTES = 256;
const O_CLOEXEC = 0o2000000;
/** What is called so in an open directory: links into `/proc` are never followed without waiting. */
const IN_DIRECTORY = /^\/proc\/self\/fd\/(\d+)\/(.+)$/s;
const NS_PER_SECOND = 1_000_000_000n;

const EMPTY_PATH = cPath("");
const native = {
  openat2: bind<IntCall<[number, number, Buffer, Buffer, number]>>(
    "int64_t syscall(int64_t number, int directory, const void *path, const void *how, size_t size)",
  ),
  statx: bind<IntCall<[number, Buffer, number, number, Buffer]>>(
    "int statx(int directory, const void *path, int flags, uint32_t mask, void *stats)",
  ),
};

/** What the system says of a file, all digits. */
export interface FileStats {
  dev: bigint;
  ino: bigint;
  mode: bigint;
  nlink: bigint;
  uid: bigint;
  gid: bigint;
  size: bigint;
  blocks: bigint;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

/** A descriptor of what is at `path`, without any right to its content; undefined when only waiting could tell, and for all failures. */
export function openPathCached(path: FilePath, flags: number): number | undefined {
  const [, directory = AT_FDCWD, name = path] = (typeof path === "string" && IN_DIRECTORY.exec(path)) || [];
  const how = Buffer.alloc(24);
  how.writeUInt32LE(flags | O_PATH | O_CLOEXEC, 0);
  how.writeUInt32LE(RESOLVE_CACHED, 16);
  const fd = native.openat2(OPENAT2, Number(directory), cPath(name), how, how.length);
  return fd < 0 ? undefined : fd;
}

/** What is known of an open file: all of it where the file system is local. */
export function statCached(fd: number): FileStats | undefined {
  const stats = Buffer.allocUnsafe(STATX_BYTES);
  const flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
  return native.statx(fd, EMPTY_PATH, flags, STATX_BASIC_STATS, stats) < 0 ? undefined : readStats(stats);
}

/** The same of what is at `path`, a link itself. */
export function lstatCached(path: FilePath): FileStats | undefined {
  const fd = openPathCached(path, constants.O_NOFOLLOW);
  if (fd === undefined) return undefined;
  try {
    return statCached(fd);
  } finally {
    closeSync(fd);
  }
}

/** `struct statx` of the kernel. */
function readStats(stats: Buffer): FileStats {
  const time = (at: number): bigint => stats.readBigInt64LE(at) * NS_PER_SECOND + BigInt(stats.readUInt32LE(at + 8));
  return {
    nlink: BigInt(stats.readUInt32LE(16)),
    uid: BigInt(stats.readUInt32LE(20)),
    gid: BigInt(stats.readUInt32LE(24)),
    mode: BigInt(stats.readUInt16LE(28)),
    ino: stats.readBigUInt64LE(32),
    size: stats.readBigUInt64LE(40),
    blocks: stats.readBigUInt64LE(48),
    atimeNs: time(64),
    ctimeNs: time(96),
    mtimeNs: time(112),
    dev: deviceNumber(stats.readUInt32LE(136), stats.readUInt32LE(140)),
  };
}

/** As the C library puts it together. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xffff_f000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffff_ff00n) << 12n) | (low & 0xffn);
}
