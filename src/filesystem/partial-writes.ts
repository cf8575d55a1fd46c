import { constants } from "node:fs";
import { errnoName, errnoText, SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FileDescriptor, FileRights } from "../host/file-access.ts";
import type { Digest } from "../lib/digest.ts";
import type { AtomicResult, Expectation } from "./atomic-writes.ts";
import { stateAfterWriting, stateOf, stateOfOpen } from "./downloads.ts";
import { syncPlace } from "./durability.ts";
import { directoryError, fileError, isMissing, isNoSpace, noSpace, notRegular } from "./failures.ts";
import type { FileLocks } from "./file-locks.ts";
import type { Caller } from "./filesystem.ts";
import { writeError } from "./file-writer.ts";
import { type Owner, ownerFor } from "./owner.ts";
import { cutOff, type Part, writeAsItComes, writeChecked } from "./part.ts";
import { locateTarget, type Place } from "./place.ts";
import { dropSetIds } from "./set-ids.ts";
import { openSpool } from "./spool.ts";
import { isRegular } from "./stats.ts";
import { checkTarget, inDirectory } from "./write-target.ts";

const { O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
const NEW_FILE_MODE = 0o666;

/** A part of a file to be written. */
export interface PartialWrite extends Pick<Part, "start" | "end" | "totalBytes"> {
  path: string;
  body: AsyncIterable<Buffer>;
  /** Whether nothing is written before the body is there and found right. */
  areAllChecked: boolean;
  /** Of the whole file with this part; nothing is written unless they are right. */
  wholeDigests: readonly Digest[];
  isDurable: boolean;
  expect: Expectation | undefined;
}

interface Opened {
  file: FileDescriptor;
  isNew: boolean;
}

/**
 * Uploads in parts. A part is written in place, at its offset, as it comes: after one that breaks off the file's length says where to go
 * on. A part may overwrite what is there and add to the end, but leaves no gap. The one that reaches the announced total cuts off what is
 * behind. With a digest or a condition, a part is written only when it is there whole and right, and nobody has changed the file meanwhile.
 * Any calls may run at once; two that write the same bytes leave those of the last for each batch.
 */
export class PartialWrites {
  readonly #exec: ExecContext;
  readonly #rights: FileRights;
  readonly #locks: FileLocks;
  readonly #spoolDirectory: string;

  /** `spoolDirectory` is the daemon's own, made when first needed. */
  constructor(deps: { exec: ExecContext; rights: FileRights; locks: FileLocks; spoolDirectory: string }) {
    this.#exec = deps.exec;
    this.#rights = deps.rights;
    this.#locks = deps.locks;
    this.#spoolDirectory = deps.spoolDirectory;
  }

  /** @throws SandboxError out_of_range (range_not_satisfiable) for a gap; others, and whatever the body or the expectation throws */
  async write(write: PartialWrite, caller: Caller): Promise<AtomicResult> {
    const user = this.#exec.user(caller.user);
    const owner = ownerFor(user);
    const path = this.#exec.resolve(write.path, user);
    using place = await inDirectory(locateTarget(this.#rights.of(user), path));
    const exists = await checkTarget(place, path);
    write.expect?.(await stateOf(place, path));
    if (!exists) checkNoGap(write, 0);
    const newDirectories = place.missingCount;
    await inDirectory(place.makeDirectories(owner));
    const opened = await openPart(place, { path, owner, isRead: write.wholeDigests.length > 0 });
    await using file = opened.file;
    try {
      await this.#writeTo(opened, place, write);
      if (write.isDurable) await file.sync();
    } catch (error) {
      if (opened.isNew) await unlinkIfEmpty(place, file);
      throw errnoName(error) === undefined ? error : writeError(error, write.end - write.start);
    }
    if (write.isDurable) await syncPlace(place, newDirectories);
    await checkNamed(place, file, path);
    return { path, isNew: opened.isNew, isAtomic: false, state: await stateAfterWriting(place, path) };
  }

  async #writeTo({ file, isNew }: Opened, place: Place, write: PartialWrite): Promise<void> {
    const check = async (): Promise<void> => write.expect?.(isNew ? undefined : await stateOfOpen(file, write.path));
    await check();
    const stats = await file.stat();
    if (!isRegular(stats)) throw notRegular(write.path);
    checkNoGap(write, Number(stats.size));
    await dropSetIds(file, stats);
    const { start, end, totalBytes, body, wholeDigests: digests } = write;
    const part = { file, stats, start, end, totalBytes, locks: this.#locks };
    // What is expected holds from here on only if nothing is written before all is there.
    if (write.areAllChecked || digests.length > 0 || write.expect) {
      await using spool = await openSpool(place.directory, this.#spoolDirectory);
      await writeChecked(part, body, { spool, digests, check });
    } else {
      await writeAsItComes(part, body);
    }
    if (totalBytes === end) await cutOff(part);
  }
}

/** @throws SandboxError out_of_range */
function checkNoGap({ start }: PartialWrite, sizeBytes: number): void {
  if (start <= sizeBytes) return;
  const message = `the part begins at ${start}, but the file has ${sizeBytes} bytes`;
  throw new SandboxError("out_of_range", message, {
    reason: "range_not_satisfiable",
    hint: "go on where the file ends: Content-Range of this answer says where",
  });
}

async function openPart(
  place: Place,
  { path, owner, isRead }: { path: string; owner: Owner; isRead: boolean },
): Promise<Opened> {
  const access = isRead ? O_RDWR : O_WRONLY;
  await using stack = new AsyncDisposableStack();
  try {
    const made = stack.use(await openNew(place, access));
    if (!made) return { file: await place.access.open(place.path, access | O_NOFOLLOW | O_NONBLOCK), isNew: false };
    await made.chown(owner.uid, owner.gid);
    stack.move();
    return { file: made, isNew: true };
  } catch (error) {
    if (errnoName(error) === "EISDIR") throw directoryError(path);
    if (errnoName(error) === "ENXIO") throw notRegular(path);
    if (isNoSpace(error)) throw noSpace(`not enough inodes available: open ${path}: ${errnoText(error)}`, error);
    throw fileError(error, `error opening file: open ${path}`);
  }
}

/** Undefined when something of that name is there. */
async function openNew(place: Place, access: number): Promise<FileDescriptor | undefined> {
  try {
    return await place.access.open(place.path, access | O_CREAT | O_EXCL | O_NOFOLLOW, NEW_FILE_MODE);
  } catch (error) {
    if (errnoName(error) === "EEXIST") return undefined;
    throw error;
  }
}

/** Somebody may have put another file in its place while the part came. */
async function checkNamed(place: Place, file: FileDescriptor, path: string): Promise<void> {
  if (await isNamed(place, file)) return;
  throw new SandboxError("aborted", `the file ${path} was replaced or removed by others meanwhile`);
}

async function isNamed(place: Place, file: FileDescriptor): Promise<boolean> {
  try {
    const [named, opened] = await Promise.all([place.access.lstat(place.path), file.stat()]);
    return named.ino === opened.ino && named.dev === opened.dev;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** A new file that not one byte came for is taken away again. */
async function unlinkIfEmpty(place: Place, file: FileDescriptor): Promise<void> {
  try {
    if ((await file.stat()).size === 0n && (await isNamed(place, file))) await place.access.unlink(place.path);
  } catch {
    // The error that led here is the one to tell.
  }
}
