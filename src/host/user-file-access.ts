import { FileDescriptor, type FileAccess } from "./file-access.ts";
import { exact } from "./file-calls.ts";
import type { CallFile } from "./file-thread.ts";
import type { FilePath } from "./libc-files.ts";
import { listDirectory, type ListingCalls } from "./listing/listing.ts";
import type { Identity } from "./users.ts";

/** Files with the rights of `user`: every call is made by `call`, somewhere with these rights. */
export function userFileAccess(user: Identity, call: CallFile): FileAccess {
  const listingCalls: ListingCalls = {
    open: (path) => call("openListing", posted(path)),
    read: (opened, prefix) => call("readListing", opened, prefix),
    close: (opened) => call("closeListing", opened),
  };
  const access: FileAccess = {
    user,
    open: async (path, flags, mode) => new FileDescriptor(await call("open", posted(path), flags, mode), access),
    stat: (path) => call("stat", posted(path)),
    lstat: (path) => call("lstat", posted(path)),
    // Only that thread may look, and asking it takes as long as any other call.
    lstatCached: () => undefined,
    list: (path, prefix) => listDirectory(listingCalls, path, prefix),
    readNames: (path) => call("readNames", posted(path)),
    readEntries: (path) => call("readEntries", posted(path)),
    readLink: async (path) => Buffer.from(await call("readLink", posted(path))),
    realPath: (path) => call("realPath", posted(path)),
    makeDirectory: (path, mode) => call("makeDirectory", posted(path), mode),
    removeDirectory: (path) => call("removeDirectory", posted(path)),
    unlink: (path) => call("unlink", posted(path)),
    rename: (from, to) => call("rename", posted(from), posted(to)),
    renameExclusively: (from, to) => call("renameExclusively", posted(from), posted(to)),
    link: (from, to) => call("link", posted(from), posted(to)),
    linkDescriptor: (fd, path) => call("linkDescriptor", fd, posted(path)),
    makeLink: (target, path) => call("makeLink", posted(target), posted(path)),
    makeFifo: (path, mode) => call("makeFifo", posted(path), mode),
    changeOwner: (path, uid, gid) => call("changeOwner", posted(path), uid, gid),
    changeLinkOwner: (path, uid, gid) => call("changeLinkOwner", posted(path), uid, gid),
    changeMode: (path, mode) => call("changeMode", posted(path), mode),
    setTimes: (path, accessed, modified) => call("setTimes", posted(path), accessed, modified),
    setLinkTimes: (path, accessed, modified) => call("setLinkTimes", posted(path), accessed, modified),
    hasAttributes: (path, prefix) => call("hasAttributes", posted(path), prefix),
    listAttributes: (path) => call("listAttributes", posted(path)),
    readAttribute: async (path, name) => Buffer.from(await call("readAttribute", posted(path), name)),
    writeAttribute: (path, name, value) => call("writeAttribute", posted(path), name, exact(value)),
    removeAttribute: (path, name) => call("removeAttribute", posted(path), name),
  };
  return access;
}

function posted(path: FilePath): FilePath {
  return typeof path === "string" ? path : exact(path);
}
