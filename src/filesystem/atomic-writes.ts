import { constants } from "node:fs";
import { errnoName, SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FileDescriptor, FileRights } from "../host/file-access.ts";
import { fillSpool } from "./content.ts";
import { O_PATH } from "../host/libc-cached.ts";
import { type FileState, stateAfterWriting, stateOf, stateOfOpen } from "./downloads.ts";
import { syncFile, syncPlace } from "./durability.ts";
import { directoryError, fileError, isMissing, notRegular } from "./failures.ts";
import type { FileLocks } from "./file-locks.ts";
import type { Caller } from "./filesystem.ts";
import { FileWriter, writeError } from "./file-writer.ts";
import type { MetadataStore } from "./metadata.ts";
import { type Owner, ownerFor } from "./owner.ts";
import { locateTarget, type Place } from "./place.ts";
import { dropSetIds } from "./set-ids.ts";
import { openSpool, type Spool } from "./spool.ts";
import { type StagedFile, withStaged } from "./staged-file.ts";
import { isDirectory, isRegular } from "./stats.ts";
import type { Metadata } from "./types.ts";
import { checkTarget, inDirectory } from "./write-target.ts";

const { O_NOFOLLOW, O_WRONLY, O_APPEND, O_NONBLOCK } = constants;
/** Somebody may be making and removing the file all the time. */
const MAX_ATTEMPTS = 16;
/** The file cannot be replaced (a mount of its own, somebody else's in a sticky directory, an owner we cannot give), perhaps written. */
const IRREPLACEABLE = new Set(["EPERM", "EACCES", "EBUSY"]);

/** Throws unless the present state of a file, or its absence, is what the caller expects. */
export type Expectation = (state: FileState | undefined) => void;

/** A file to be written, whole or at its end. */
export interface AtomicWrite {
  path: string;
  body: AsyncIterable<Buffer>;
  /** For messages. */
  declaredBytes: number | undefined;
  /** Permission bits; those of what is replaced, or the usual ones, unless given. */
  mode: number | undefined;
  isAppended: boolean;
  /** Whether it is on the disk, with its name, before the call is over. */
  isDurable: boolean;
  expect: Expectation | undefined;
}

/** What became of it. */
export interface AtomicResult {
  /** Absolute; a link in it is still there. */
  path: string;
  isNew: boolean;
  /** False: the file could not be replaced and was written in place; who read it meanwhile may have seen a part. */
  isAtomic: boolean;
  state: FileState | undefined;
}

interface Job extends AtomicWrite {
  content: Spool;
  owner: Owner;
  /** Absolute. */
  path: string;
}

/** For what is written in place. */
const AS_IT_IS: Owner = { uid: -1, gid: -1 };

type Outcome = Pick<AtomicResult, "isNew" | "isAtomic">;

/**
 * Replacing files in one step. Whoever opens the file gets the old content or the new one, whole, whatever happens to the daemon meanwhile;
 * a file that is replaced hands on its mode, owner and attributes. Other names of it (hard links) keep the old content; a link is followed.
 * Any calls may run at once: those to one file wait for each other from the last check of what is expected until the new content is there.
 */
export class AtomicWrites {
  readonly #exec: ExecContext;
  readonly #rights: FileRights;
  readonly #metadata: MetadataStore;
  readonly #locks: FileLocks;
  readonly #writer: FileWriter;
  readonly #spoolDirectory: string;

  /** `spoolDirectory` is the daemon's own, made when first needed. */
  constructor(deps: {
    exec: ExecContext;
    rights: FileRights;
    metadata: MetadataStore;
    locks: FileLocks;
    spoolDirectory: string;
  }) {
    this.#exec = deps.exec;
    this.#rights = deps.rights;
    this.#metadata = deps.metadata;
    this.#locks = deps.locks;
    this.#writer = new FileWriter(deps);
    this.#spoolDirectory = deps.spoolDirectory;
  }

  /**
   * Takes in `write.body` and makes it the file's content, or adds it to the end, with the directories above it. Until the body is complete
   * nothing changes; one that breaks off, and a disk that fills up, leave what was there.
   * @throws SandboxError, and whatever the body or the expectation throws
   */
  async save(write: AtomicWrite, caller: Caller): Promise<AtomicResult> {
    const user = this.#exec.user(caller.user);
    const owner = ownerFor(user);
    const path = this.#exec.resolve(write.path, user);
    using place = await inDirectory(locateTarget(this.#rights.of(user), path));
    await checkTarget(place, path);
    // What is not as expected now will hardly be after the body: it need not be sent.
    write.expect?.(await stateOf(place, path));
    await using content = await this.#receive(write, place);
    const newDirectories = place.missingCount;
    await inDirectory(place.makeDirectories(owner));
    using _ = await this.#locks.ofName(place);
    const job = { ...write, content, owner, path };
    const outcome = (write.isAppended ? await this.#append(place, job) : undefined) ?? (await this.#put(place, job));
    if (write.isDurable) await syncPlace(place, newDirectories);
    return { path, ...outcome, state: await stateAfterWriting(place, path) };
  }

  async #receive(write: AtomicWrite, place: Place): Promise<Spool> {
    await using stack = new AsyncDisposableStack();
    try {
      const spool = stack.use(await openSpool(place.directory, this.#spoolDirectory));
      await fillSpool(spool, write.body);
      stack.move();
      return spool;
    } catch (error) {
      throw errnoName(error) === undefined ? error : writeError(error, write.declaredBytes);
    }
  }

  /** Undefined when there is no file. */
  async #append(place: Place, job: Job): Promise<Outcome | undefined> {
    await using file = await openForAppending(place, job.path);
    if (!file) return undefined;
    const stats = await file.stat();
    if (!isRegular(stats)) throw notRegular(job.path);
    using _ = await this.#locks.ofFile(stats);
    job.expect?.(await stateOfOpen(file, job.path));
    const sizeBytes = Number((await file.stat()).size);
    try {
      await dropSetIds(file, stats);
      await job.content.copyTo(file, 0, job.content.sizeBytes);
      if (job.mode !== undefined) await file.chmod(job.mode);
      if (job.isDurable) await file.sync();
    } catch (error) {
      await file.truncate(sizeBytes);
      throw writeError(error, job.declaredBytes);
    }
    return { isNew: false, isAtomic: true };
  }

  async #put(place: Place, job: Job): Promise<Outcome> {
    try {
      return await withStaged(job.content, place.directory, (staged) => this.#putStaged(place, staged, job));
    } catch (error) {
      throw errnoName(error) === undefined ? error : writeError(error, job.declaredBytes);
    }
  }

  async #putStaged(place: Place, staged: StagedFile, job: Job): Promise<Outcome> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      await using before = await openCurrent(place, job.path);
      // Of the very file that is replaced, or of none: then the new name is refused when somebody is quicker.
      job.expect?.(before && (await stateOfOpen(before, job.path)));
      if (before) return await this.#replace(place, { before, staged, job });
      await staged.give(job.owner, job.mode);
      if (job.isDurable) await staged.handle.sync();
      if (await staged.createAs(place.path)) return { isNew: true, isAtomic: true };
    }
    throw new SandboxError("aborted", `error writing file ${job.path}: others make and remove it`);
  }

  async #replace(
    place: Place,
    { before, staged, job }: { before: FileDescriptor; staged: StagedFile; job: Job },
  ): Promise<Outcome> {
    try {
      const stats = await before.stat();
      await staged.takeAfter(before, stats, job.mode);
      if (job.isDurable) await staged.handle.sync();
      await staged.replace(place.path);
      return { isNew: false, isAtomic: true };
    } catch (error) {
      if (!IRREPLACEABLE.has(errnoName(error) ?? "")) throw error;
    }
    return this.#putInPlace(place, job);
  }

  async #putInPlace(place: Place, job: Job): Promise<Outcome> {
    const { content, declaredBytes, path } = job;
    const metadata = await this.#metadataOf(place, path);
    const write = { content, declaredBytes, metadata, owner: AS_IT_IS, shownPath: path, isExpected: true };
    await this.#writer.writeInTurn(place, write);
    if (job.isDurable) await syncFile(place.path);
    return { isNew: false, isAtomic: false };
  }

  async #metadataOf(place: Place, shownPath: string): Promise<Metadata> {
    await using file = await openCurrent(place, shownPath);
    const { dev } = await place.directory.identity();
    return file ? this.#metadata.read(file.access, file.self, dev) : {};
  }
}

/** What is at `place`, without any right to its content. @throws SandboxError for what is no regular file */
async function openCurrent(place: Place, shownPath: string): Promise<FileDescriptor | undefined> {
  await using stack = new AsyncDisposableStack();
  try {
    const handle = stack.use(await place.access.open(place.path, O_PATH | O_NOFOLLOW));
    const stats = await handle.stat();
    if (isDirectory(stats)) throw directoryError(shownPath);
    if (!isRegular(stats)) throw notRegular(shownPath);
    stack.move();
    return handle;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function openForAppending(place: Place, shownPath: string): Promise<FileDescriptor | undefined> {
  try {
    return await place.access.open(place.path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (errnoName(error) === "EISDIR") throw directoryError(shownPath);
    if (errnoName(error) === "ENXIO") throw notRegular(shownPath);
    throw fileError(error, `error opening file: open ${shownPath}`);
  }
}
