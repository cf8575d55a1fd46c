import { constants } from "node:fs";
import { errnoName, errnoText, SandboxError } from "../errors.ts";
import type { FileDescriptor, FileStats } from "../host/file-access.ts";
import type { Content } from "./content.ts";
import { fileError, directoryError, isMissing, isNoSpace, noSpace, notRegular } from "./failures.ts";
import type { FileLocks } from "./file-locks.ts";
import type { MetadataStore } from "./metadata.ts";
import type { Owner } from "./owner.ts";
import type { Place } from "./place.ts";
import { dropSetIds } from "./set-ids.ts";
import { Spool } from "./spool.ts";
import { isRegular } from "./stats.ts";
import type { Metadata } from "./types.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Of files that are made in their place; the umask takes from it. */
const NEW_FILE_MODE = 0o666;
/** The same of those that were private until they got their name. */
const NAMED_FILE_MODE = 0o644;
/** Somebody may be making and removing the file all the time. */
const MAX_ATTEMPTS = 16;

/** What is to be in a file, and as whose. */
export interface Write {
  content: Content;
  owner: Owner;
  metadata: Metadata;
  /** For messages. */
  shownPath: string;
  /** Said to callers when the disk is full. */
  declaredBytes: number | undefined;
  /** Whether the file was there a moment ago: what to try first. */
  isExpected: boolean;
}

/**
 * Puts content that has arrived whole in place. One write at a time for each file, by whatever name it is written.
 *
 * A new file, small: made, given to its owner, written with one call; removed again when that fails. Watchers see CREATE, CHMOD, WRITE.
 * A new file, large: the spool, complete and with its owner and attributes, gets the name: at no moment is there a part of it.
 * An existing file stays the same inode, for its other names, its watchers, and those who have it open. The part that makes it longer is
 * written first: a full disk shows there, and cutting that off again leaves what was before. Then the rest, over blocks the file has, and
 * last it is cut to its new length. Nothing is synced to disk, as the contract has it: a machine that loses power may keep either.
 * A daemon that is killed during these milliseconds can leave a mixture; one killed at any time before leaves what was.
 */
export class FileWriter {
  readonly #metadata: MetadataStore;
  readonly #locks: FileLocks;

  constructor(deps: { metadata: MetadataStore; locks: FileLocks }) {
    this.#metadata = deps.metadata;
    this.#locks = deps.locks;
  }

  /** Writes the file at `place`, whose directory is there; a link of that name is not followed. @throws SandboxError; nothing has changed then */
  async write(place: Place, write: Write): Promise<void> {
    using _ = await this.#locks.ofName(place);
    await this.writeInTurn(place, write);
  }

  /** As {@link write}, for whoever has the name's turn already. */
  async writeInTurn(place: Place, write: Write): Promise<void> {
    if (!write.isExpected && (await this.#create(place, write))) return;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (await this.#overwrite(place, write)) return;
      if (await this.#create(place, write)) return;
    }
    throw new SandboxError("aborted", `error opening file: open ${write.shownPath}: others make and remove it`);
  }

  /** False when there is no file. */
  async #overwrite(place: Place, write: Write): Promise<boolean> {
    await using file = await openExisting(place, write.shownPath);
    if (!file) return false;
    const first = await this.#look(file);
    if (!isRegular(first)) throw notRegular(write.shownPath);
    using turn = await this.#locks.ofFile(first);
    const before = turn.hasWaited ? await this.#look(file) : first;
    await giveExisting(file, write.owner);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => giveBack(file, { uid: Number(before.uid), gid: Number(before.gid) }));
    await dropSetIds(file, before);
    undo.defer(await this.#metadata.replace(file, before.dev, write.metadata));
    await replaceContent(file, Number(before.size), write);
    undo.move();
    return true;
  }

  async #look(file: FileDescriptor): Promise<FileStats> {
    return this.#metadata.ifUpToDate(file.statCached(), file.self) ?? (await file.stat());
  }

  /** False when there is something of that name. */
  async #create(place: Place, write: Write): Promise<boolean> {
    if (write.content instanceof Spool && write.content.isLinkable) {
      const isLinked = await this.#link(place, write, write.content);
      if (isLinked !== undefined) return isLinked;
    }
    await using file = await openNew(place, write.shownPath);
    if (!file) return false;
    try {
      await give(file, write.owner);
      await this.#describe(file, place, write);
      await copy(file, { from: 0, end: write.content.sizeBytes }, write);
    } catch (error) {
      await unlinkIfSame(place, file);
      throw error;
    }
    return true;
  }

  /** Undefined when the spool cannot have a name there. */
  async #link(place: Place, write: Write, spool: Spool): Promise<boolean | undefined> {
    await give(spool.handle, write.owner);
    await spool.handle.chmod(NAMED_FILE_MODE);
    await this.#describe(spool.handle, place, write);
    try {
      await spool.linkAs(place.path);
    } catch (error) {
      if (errnoName(error) === "EEXIST") return false;
      if (isNoSpace(error)) throw noInodes(write.shownPath, error);
      return undefined; // another mount of the same device, or a file system with rules of its own
    }
    await announce(place, write, spool);
    return true;
  }

  async #describe(file: FileDescriptor, place: Place, write: Write): Promise<void> {
    if (Object.keys(write.metadata).length === 0) return;
    const { dev } = await place.directory.identity();
    await this.#metadata.replace(file, dev, write.metadata);
  }
}

/** Shows watchers of the name what they see of any upload: after its CREATE a CHMOD, and a WRITE (of the byte that is there). */
async function announce(place: Place, write: Write, spool: Spool): Promise<void> {
  try {
    await using file = await place.access.open(place.path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
    const [named, spooled] = await Promise.all([file.stat(), spool.handle.stat()]);
    if (named.ino !== spooled.ino || named.size !== spooled.size) return;
    await give(file, write.owner);
    await spool.copyTo(file, spool.sizeBytes - 1, spool.sizeBytes);
  } catch {
    // The upload is in place; that somebody has removed it since is not its failure.
  }
}

async function replaceContent(file: FileDescriptor, oldBytes: number, write: Write): Promise<void> {
  const newBytes = write.content.sizeBytes;
  try {
    await copy(file, { from: oldBytes, end: newBytes }, write);
  } catch (error) {
    await file.truncate(oldBytes);
    throw error;
  }
  await copy(file, { from: 0, end: Math.min(oldBytes, newBytes) }, write);
  if (newBytes < oldBytes) await file.truncate(newBytes);
}

async function copy(file: FileDescriptor, range: { from: number; end: number }, write: Write): Promise<void> {
  try {
    await write.content.copyTo(file, range.from, range.end);
  } catch (error) {
    throw writeError(error, write.declaredBytes);
  }
}

/** A failed write of a body, in the contract's words. */
export function writeError(error: unknown, declaredBytes: number | undefined): SandboxError {
  if (!isNoSpace(error)) return fileError(error, "error writing file");
  const attempt = declaredBytes ? `attempted to write ${declaredBytes} bytes: ` : "";
  return noSpace(`${attempt}not enough disk space available`, error);
}

async function openExisting(place: Place, shownPath: string): Promise<FileDescriptor | undefined> {
  try {
    return await place.access.open(place.path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (errnoName(error) === "EISDIR") throw directoryError(shownPath);
    if (errnoName(error) === "ENXIO") throw notRegular(shownPath);
    throw fileError(error, `error opening file: open ${shownPath}`);
  }
}

async function openNew(place: Place, shownPath: string): Promise<FileDescriptor | undefined> {
  try {
    return await place.access.open(place.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, NEW_FILE_MODE);
  } catch (error) {
    if (errnoName(error) === "EEXIST") return undefined;
    if (isNoSpace(error)) throw noInodes(shownPath, error);
    throw fileError(error, `error opening file: open ${shownPath}`);
  }
}

function noInodes(shownPath: string, error: unknown): SandboxError {
  return noSpace(`not enough inodes available: open ${shownPath}: ${errnoText(error)}`, error);
}

/** Always asked of the system, also when the ids are right already: watchers see it. */
async function give(file: FileDescriptor, owner: Owner): Promise<void> {
  try {
    await file.chown(owner.uid, owner.gid);
  } catch (error) {
    throw fileError(error, "error changing file ownership");
  }
}

/** A file that somebody else lets a user write stays somebody else's when that user writes with their own rights. */
async function giveExisting(file: FileDescriptor, owner: Owner): Promise<void> {
  try {
    await give(file, owner);
  } catch (error) {
    const mayStay =
      file.access.user !== undefined && error instanceof SandboxError && errnoName(error.cause) === "EPERM";
    if (!mayStay) throw error;
  }
}

async function giveBack(file: FileDescriptor, owner: Owner): Promise<void> {
  try {
    await file.chown(owner.uid, owner.gid);
  } catch {
    // The error that led here is the one to tell.
  }
}

async function unlinkIfSame(place: Place, file: FileDescriptor): Promise<void> {
  try {
    const [named, opened] = await Promise.all([place.access.lstat(place.path), file.stat()]);
    if (named.ino === opened.ino && named.dev === opened.dev) await place.access.unlink(place.path);
  } catch {
    // Removed by somebody else: all the better.
  }
}
