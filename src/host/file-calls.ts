import * as fs from "node:fs";
import type { DirectoryEntry, FilePath, FileStats } from "./file-access.ts";
import { callNow } from "./libc-binding.ts";
import * as libc from "./libc-files.ts";
import * as listing from "./listing/listing.ts";
import { asPath, directoryEntry } from "./own-file-access.ts";

/** What a thread with the rights of a user does for them: the calls of `FileAccess`, each made at once. Results can be posted. */
export const FILE_CALLS = {
  open: (path: FilePath, flags: number, mode?: number) => fs.openSync(asPath(path), flags, mode),
  stat: (path: FilePath) => plain(fs.statSync(asPath(path), { bigint: true })),
  lstat: (path: FilePath) => plain(fs.lstatSync(asPath(path), { bigint: true })),
  openListing: (path: FilePath) => callNow(listing.openListing(path)),
  readListing: (opened: number, prefix: string) => exact(callNow(listing.readListing(opened, prefix))),
  closeListing: (opened: number) => callNow(listing.closeListing(opened)),
  readNames: (path: FilePath) => fs.readdirSync(asPath(path), { encoding: "latin1" }),
  readEntries: (path: FilePath): DirectoryEntry[] =>
    fs.readdirSync(asPath(path), { withFileTypes: true, encoding: "latin1" }).map(directoryEntry),
  readLink: (path: FilePath) => exact(fs.readlinkSync(asPath(path), { encoding: "buffer" })),
  realPath: (path: FilePath) => fs.realpathSync.native(asPath(path)),
  makeDirectory: (path: FilePath, mode: number) => fs.mkdirSync(asPath(path), mode),
  removeDirectory: (path: FilePath) => fs.rmdirSync(asPath(path)),
  unlink: (path: FilePath) => fs.unlinkSync(asPath(path)),
  rename: (from: FilePath, to: FilePath) => fs.renameSync(asPath(from), asPath(to)),
  renameExclusively: (from: FilePath, to: FilePath) => callNow(libc.renameExclusively(from, to)),
  link: (from: FilePath, to: FilePath) => fs.linkSync(asPath(from), asPath(to)),
  linkDescriptor: (fd: number, path: FilePath) => callNow(libc.linkDescriptor(fd, path)),
  makeLink: (target: FilePath, path: FilePath) => fs.symlinkSync(asPath(target), asPath(path)),
  makeFifo: (path: FilePath, mode: number) => callNow(libc.makeFifo(path, mode)),
  changeOwner: (path: FilePath, uid: number, gid: number) => fs.chownSync(asPath(path), uid, gid),
  changeLinkOwner: (path: FilePath, uid: number, gid: number) => fs.lchownSync(asPath(path), uid, gid),
  changeMode: (path: FilePath, mode: number) => fs.chmodSync(asPath(path), mode),
  setTimes: (path: FilePath, accessed: number, modified: number) => fs.utimesSync(asPath(path), accessed, modified),
  setLinkTimes: (path: FilePath, accessed: number, modified: number) =>
    fs.lutimesSync(asPath(path), accessed, modified),
  hasAttributes: (path: FilePath, prefix: string) => libc.hasAttributesNow(path, prefix),
  listAttributes: (path: FilePath) => callNow(libc.listAttributes(path)),
  readAttribute: (path: FilePath, name: string) => exact(callNow(libc.readAttribute(path, name))),
  writeAttribute: (path: FilePath, name: string, value: Uint8Array) => callNow(libc.writeAttribute(path, name, value)),
  removeAttribute: (path: FilePath, name: string) => callNow(libc.removeAttribute(path, name)),
};

export type FileCalls = typeof FILE_CALLS;

/** One call on its way to such a thread. */
export interface FileCallRequest {
  id: number;
  name: keyof FileCalls;
  args: readonly unknown[];
}

/** What became of it. */
export type FileCallReply = { id: number } & ({ value: unknown } | { error: PostedError });

/** A system error as it can be posted. */
export interface PostedError {
  message: string;
  code: unknown;
  errno: unknown;
  syscall: unknown;
}

/** Methods are lost on the way. */
function plain(stats: fs.BigIntStats): FileStats {
  const { dev, ino, mode, nlink, uid, gid, size, blocks, atimeNs, mtimeNs, ctimeNs } = stats;
  return { dev, ino, mode, nlink, uid, gid, size, blocks, atimeNs, mtimeNs, ctimeNs };
}

/** Bytes without the rest of the memory they are in, which would be posted too. */
export function exact(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
