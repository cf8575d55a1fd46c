import * as fs from "node:fs";
import { promisify } from "node:util";
import { type DirectoryEntry, type FileAccess, FileDescriptor, type FilePath, type FileRights } from "./file-access.ts";
import { callInPool } from "./libc-binding.ts";
import { lstatCached, O_PATH, openPathCached } from "./libc-cached.ts";
import * as libc from "./libc-files.ts";
import * as listing from "./listing/listing.ts";

// The callback interface takes a third of the time of the promised one.
const calls = {
  open: promisify(fs.open),
  stat: promisify(fs.stat),
  lstat: promisify(fs.lstat),
  readdir: promisify(fs.readdir),
  readlink: promisify(fs.readlink),
  realpath: promisify(fs.realpath.native),
  mkdir: promisify(fs.mkdir),
  rmdir: promisify(fs.rmdir),
  unlink: promisify(fs.unlink),
  rename: promisify(fs.rename),
  link: promisify(fs.link),
  symlink: promisify(fs.symlink),
  chown: promisify(fs.chown),
  lchown: promisify(fs.lchown),
  chmod: promisify(fs.chmod),
  utimes: promisify(fs.utimes),
  lutimes: promisify(fs.lutimes),
};

const LISTING_CALLS: listing.ListingCalls = {
  open: (path) => callInPool(listing.openListing(path)),
  read: (opened, prefix) => callInPool(listing.readListing(opened, prefix)),
  close: (opened) => callInPool(listing.closeListing(opened)),
};

/** Files with the rights that guestd itself has. */
export const OWN_FILE_ACCESS: FileAccess = {
  user: undefined,
  open: async (path, flags, mode) => {
    const cached = (flags & O_PATH) === 0 ? undefined : openPathCached(path, flags);
    return new FileDescriptor(cached ?? (await calls.open(asPath(path), flags, mode)), OWN_FILE_ACCESS);
  },
  stat: (path) => calls.stat(asPath(path), { bigint: true }),
  lstat: (path) => calls.lstat(asPath(path), { bigint: true }),
  lstatCached,
  list: (path, prefix) => listing.listDirectory(LISTING_CALLS, path, prefix),
  readNames: (path) => calls.readdir(asPath(path), { encoding: "latin1" }),
  readEntries,
  readLink: (path) => calls.readlink(asPath(path), { encoding: "buffer" }),
  realPath: (path) => calls.realpath(asPath(path)),
  makeDirectory: (path, mode) => calls.mkdir(asPath(path), mode),
  removeDirectory: (path) => calls.rmdir(asPath(path)),
  unlink: (path) => calls.unlink(asPath(path)),
  rename: (from, to) => calls.rename(asPath(from), asPath(to)),
  renameExclusively: (from, to) => callInPool(libc.renameExclusively(from, to)),
  link: (from, to) => calls.link(asPath(from), asPath(to)),
  linkDescriptor: (fd, path) => callInPool(libc.linkDescriptor(fd, path)),
  makeLink: (target, path) => calls.symlink(asPath(target), asPath(path)),
  makeFifo: (path, mode) => callInPool(libc.makeFifo(path, mode)),
  changeOwner: (path, uid, gid) => calls.chown(asPath(path), uid, gid),
  changeLinkOwner: (path, uid, gid) => calls.lchown(asPath(path), uid, gid),
  changeMode: (path, mode) => calls.chmod(asPath(path), mode),
  setTimes: (path, accessed, modified) => calls.utimes(asPath(path), accessed, modified),
  setLinkTimes: (path, accessed, modified) => calls.lutimes(asPath(path), accessed, modified),
  hasAttributes: libc.hasAttributesNow,
  listAttributes: (path) => callInPool(libc.listAttributes(path)),
  readAttribute: (path, name) => callInPool(libc.readAttribute(path, name)),
  writeAttribute: (path, name, value) => callInPool(libc.writeAttribute(path, name, value)),
  removeAttribute: (path, name) => callInPool(libc.removeAttribute(path, name)),
};

async function readEntries(path: FilePath): Promise<DirectoryEntry[]> {
  return (await calls.readdir(asPath(path), { withFileTypes: true, encoding: "latin1" })).map(directoryEntry);
}

/** What a directory says of an entry, in our words. */
export function directoryEntry(entry: fs.Dirent): DirectoryEntry {
  return { name: entry.name, type: entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other" };
}

/** Bytes as Node's types want them; no copy. */
export function asPath(path: FilePath): string | Buffer {
  return typeof path === "string" || Buffer.isBuffer(path)
    ? path
    : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}

/** Whoever asks, guestd acts. */
export const OWN_RIGHTS: FileRights = { of: () => OWN_FILE_ACCESS };
