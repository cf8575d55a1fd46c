import { constants } from "node:fs";
import { errnoName, SandboxError } from "../errors.ts";
import type { FileAccess, FileDescriptor, FilePath, FileStats } from "../host/file-access.ts";
import { O_PATH } from "../host/libc-cached.ts";
import { Directory } from "./directory.ts";
import { isUnsupported } from "./failures.ts";
import type { Owner } from "./owner.ts";
import { kindOf } from "./stats.ts";
import { writeFully } from "./write-fully.ts";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO } = constants;
const CHUNK_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);
const STAT_BLOCK_BYTES = 512n;
const PRIVATE_FILE_MODE = 0o600;
const PRIVATE_DIRECTORY_MODE = 0o700;
const SLASH = Buffer.from("/");

/** A name in an open directory. */
export interface Spot {
  directory: Directory;
  name: string;
}

interface Paths {
  source: Buffer;
  target: Buffer;
  /** The same as `target`, but good for the whole copying. */
  lasting: Buffer;
}

interface Step extends Paths {
  stats: FileStats;
}

/** How a tree is copied. */
export interface CopyOptions {
  signal?: AbortSignal | undefined;
  /** Whom the copies belong to, then without set-id bits; the owners of what is copied unless given. */
  owner?: Owner | undefined;
}

interface Copying extends CopyOptions {
  access: FileAccess;
  /** Copies of files that have several names, by device and inode. */
  linked: Map<string, Buffer>;
}

/**
 * Copies what is at `from`, with everything in it, to `to`, where nothing may be: content, owner, mode, times (to the microsecond),
 * attributes, links (hard ones too, within the tree) and FIFOs. No link is followed. Nothing can be reached by others before it has its
 * owner, nor has its mode before that: nobody meets a set-uid file of the wrong user.
 * @throws the system error, SandboxError failed_precondition for sockets and devices; what was copied by then is the caller's to remove
 */
export async function copyTree(from: Spot, to: Spot, options: CopyOptions = {}): Promise<void> {
  const target = Buffer.from(to.directory.child(to.name));
  const source = Buffer.from(from.directory.child(from.name));
  const { access } = to.directory;
  await copy({ source, target, lasting: target }, { ...options, access, linked: new Map() });
}

async function copy(paths: Paths, copying: Copying): Promise<void> {
  copying.signal?.throwIfAborted();
  const stats = await copying.access.lstat(paths.source);
  const step: Step = { ...paths, stats };
  const kind = kindOf(stats);
  if (kind === S_IFDIR) return copyDirectory(paths, copying);
  if (kind === S_IFLNK) return copyLink(step, copying);
  const key = `${stats.dev}:${stats.ino}`;
  const copied = stats.nlink > 1n ? copying.linked.get(key) : undefined;
  if (copied) return copying.access.link(copied, paths.target);
  if (kind === S_IFREG) await copyFile(paths, copying);
  else if (kind === S_IFIFO) await copyFifo(step, copying);
  else throw new SandboxError("failed_precondition", "sockets and devices cannot be copied");
  if (stats.nlink > 1n) copying.linked.set(key, paths.lasting);
}

async function copyDirectory({ source, target, lasting }: Paths, copying: Copying): Promise<void> {
  const { access } = copying;
  await access.makeDirectory(target, PRIVATE_DIRECTORY_MODE);
  using from = await Directory.openLast(access, source);
  using to = await Directory.openLast(access, target);
  for (const name of await from.names()) {
    const next = { source: from.child(name), target: to.child(name), lasting: Buffer.concat([lasting, SLASH, name]) };
    await copy(next, copying);
  }
  await copyAttributes(access, from.self, to.self);
  await finish(to.self, await access.lstat(from.child(".")), copying);
}

/** What is opened is asked for its owner and mode: somebody may have changed what the name stands for. */
async function copyFile({ source, target }: Paths, copying: Copying): Promise<void> {
  const { access, signal } = copying;
  await using from = await access.open(source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const stats = await from.stat();
  await using to = await access.open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE_FILE_MODE);
  await copyContent(from, to, { isSparse: stats.blocks * STAT_BLOCK_BYTES < stats.size, signal });
  await copyAttributes(access, from.self, to.self);
  await finish(to.self, stats, copying);
}

async function copyContent(
  from: FileDescriptor,
  to: FileDescriptor,
  options: { isSparse: boolean; signal: AbortSignal | undefined },
): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let position = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) break;
    const isHole = options.isSparse && buffer.compare(ZEROS, 0, bytesRead, 0, bytesRead) === 0;
    if (!isHole) await writeFully(to, buffer.subarray(0, bytesRead), position);
    position += bytesRead;
  }
  if (options.isSparse) await to.truncate(position);
}

async function copyLink({ source, target, stats }: Step, { access, owner = ownerOf(stats) }: Copying): Promise<void> {
  await access.makeLink(await access.readLink(source), target);
  await ignoreForbidden(access.changeLinkOwner(target, owner.uid, owner.gid));
  await access.setLinkTimes(target, Number(stats.atimeNs) / 1e9, Number(stats.mtimeNs) / 1e9);
}

async function copyFifo({ target, stats }: Step, copying: Copying): Promise<void> {
  await copying.access.makeFifo(target, PRIVATE_FILE_MODE);
  await using made = await copying.access.open(target, O_PATH | O_NOFOLLOW);
  if (kindOf(await made.stat()) === S_IFIFO) await finish(made.self, stats, copying);
}

/** Attributes that the other file system or our rights do not allow are left out. */
export async function copyAttributes(access: FileAccess, from: FilePath, to: FilePath): Promise<void> {
  try {
    for (const name of await access.listAttributes(from)) {
      await ignoreForbidden(access.writeAttribute(to, name, await access.readAttribute(from, name)));
    }
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
}

/** Owner first: changing it takes set-id bits away. Without the right to, or for another owner, those are left out. */
async function finish(path: string, stats: FileStats, { access, owner }: Copying): Promise<void> {
  const { uid, gid } = owner ?? ownerOf(stats);
  const isOwned = await ignoreForbidden(access.changeOwner(path, uid, gid));
  await access.changeMode(path, Number(stats.mode) & (isOwned && !owner ? 0o7777 : 0o777));
  await access.setTimes(path, Number(stats.atimeNs) / 1e9, Number(stats.mtimeNs) / 1e9);
}

function ownerOf(stats: FileStats): Owner {
  return { uid: Number(stats.uid), gid: Number(stats.gid) };
}

/** Whether it was allowed. */
async function ignoreForbidden(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (errnoName(error) === "EPERM" || isUnsupported(error)) return false;
    throw error;
  }
}
