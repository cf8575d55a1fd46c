import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { errnoName } from "../errors.ts";
import type { FileDescriptor, FileStats } from "../host/file-access.ts";
import { copyAttributes } from "./copy.ts";
import type { Directory } from "./directory.ts";
import type { Owner } from "./owner.ts";
import type { Spool } from "./spool.ts";

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const PRIVATE_FILE_MODE = 0o600;
const NEW_FILE_MODE = 0o644;
const ALL_MODE_BITS = 0o7777;

/**
 * A file with its final content that is not in its place yet. It has no name, or (where a file system has no such files) one that nobody
 * looks for. Disposing it takes that name away.
 */
export class StagedFile implements AsyncDisposable {
  readonly handle: FileDescriptor;
  /** Where it has its temporary name, or gets one for the moment of a replacement. */
  readonly #home: string;
  readonly #isOwn: boolean;
  #name: string | undefined;

  private constructor(handle: FileDescriptor, options: { home: string; isOwn: boolean; name?: string }) {
    this.handle = handle;
    this.#home = options.home;
    this.#isOwn = options.isOwn;
    this.#name = options.name;
  }

  /** What a spool has taken in; the spool goes on to be its owner's. Undefined when that may not have a name. */
  static ofSpool(spool: Spool): StagedFile | undefined {
    return spool.home === undefined ? undefined : new StagedFile(spool.handle, { home: spool.home, isOwn: false });
  }

  /** A new, empty one in `directory`, which is open for as long. @throws the system error of open */
  static async inDirectory(directory: Directory): Promise<StagedFile> {
    const name = temporaryName();
    const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
    const handle = await directory.access.open(directory.child(name), flags, PRIVATE_FILE_MODE);
    return new StagedFile(handle, { home: directory.self, isOwn: true, name });
  }

  /** Makes it a new file of `owner`. @throws the system error */
  async give(owner: Owner, mode: number | undefined): Promise<void> {
    await this.handle.chown(owner.uid, owner.gid);
    await this.handle.chmod(mode ?? NEW_FILE_MODE);
  }

  /** Takes over attributes, owner and mode (unless another is given) of an open file. @throws the system error, EPERM for another's owner */
  async takeAfter(file: FileDescriptor, stats: FileStats, mode: number | undefined): Promise<void> {
    await copyAttributes(this.handle.access, file.self, this.handle.self);
    await this.handle.chown(Number(stats.uid), Number(stats.gid));
    // Last: a change of owner takes set-id bits away.
    await this.handle.chmod(mode ?? Number(stats.mode) & ALL_MODE_BITS);
  }

  /** Gives it the name `path`. False: that is taken. @throws the system error of link */
  async createAs(path: string): Promise<boolean> {
    try {
      if (this.#name === undefined) await this.handle.access.linkDescriptor(this.handle.fd, path);
      else await this.handle.access.link(this.#temporaryPath(this.#name), path);
      return true;
    } catch (error) {
      if (errnoName(error) === "EEXIST") return false;
      throw error;
    }
  }

  /**
   * Puts it in the place of whatever file is called `path`: at no moment is there nothing of that name, or a part.
   * @throws the system error of link or rename
   */
  async replace(path: string): Promise<void> {
    if (this.#name === undefined) {
      const name = temporaryName();
      await this.handle.access.linkDescriptor(this.handle.fd, this.#temporaryPath(name));
      this.#name = name;
    }
    await this.handle.access.rename(this.#temporaryPath(this.#name), path);
    this.#name = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#name !== undefined) await this.handle.access.unlink(this.#temporaryPath(this.#name));
    } catch {
      // Somebody has tidied up before us.
    }
    if (this.#isOwn) await this.handle[Symbol.asyncDispose]();
  }

  #temporaryPath(name: string): string {
    return `${this.#home}/${name}`;
  }
}

/**
 * Lends `work` what `spool` holds as a staged file that can get its name in `directory`. Where that turns out to be on another mount (the
 * system says EXDEV), `work` gets another try with a copy in the very directory.
 * @throws the system error, and what `work` throws
 */
export async function withStaged<T>(
  spool: Spool,
  directory: Directory,
  work: (staged: StagedFile) => Promise<T>,
): Promise<T> {
  const spooled = StagedFile.ofSpool(spool);
  if (spooled) {
    await using staged = spooled;
    try {
      return await work(staged);
    } catch (error) {
      if (errnoName(error) !== "EXDEV") throw error;
    }
  }
  await using staged = await StagedFile.inDirectory(directory);
  await spool.copyTo(staged.handle, 0, spool.sizeBytes);
  return await work(staged);
}

/** One that no two calls ever choose. */
export function temporaryName(): string {
  return `.guestd-${randomBytes(8).toString("hex")}`;
}
