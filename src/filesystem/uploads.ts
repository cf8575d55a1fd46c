import { errnoName } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { FileRights } from "../host/file-access.ts";
import { receive } from "./content.ts";
import { withContext } from "./failures.ts";
import type { FileLocks } from "./file-locks.ts";
import type { Caller } from "./filesystem.ts";
import { FileWriter, writeError } from "./file-writer.ts";
import { checkMetadata, type MetadataStore } from "./metadata.ts";
import { ownerFor } from "./owner.ts";
import { locateTarget, type Place } from "./place.ts";
import { openSpool } from "./spool.ts";
import type { Metadata } from "./types.ts";
import { checkTarget, inDirectory } from "./write-target.ts";

/** One file to be written. */
export interface Upload {
  path: string;
  body: AsyncIterable<Buffer>;
  /** The whole of it: what the file had before is dropped. */
  metadata: Metadata;
  /** What the caller said of the size, for messages. */
  declaredBytes: number | undefined;
}

/** One that was. */
export interface UploadedFile {
  /** Absolute; a link in it is still there. */
  path: string;
  /** As the file system has kept it. */
  metadata: Metadata;
}

/**
 * Writing files from streams. Any calls may run at once: those to one file wait for each other, and each leaves a whole.
 * The path is looked up once, at the beginning; a link that is put in its way later is not followed.
 */
export class Uploads {
  readonly #exec: ExecContext;
  readonly #rights: FileRights;
  readonly #metadata: MetadataStore;
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
    this.#writer = new FileWriter(deps);
    this.#spoolDirectory = deps.spoolDirectory;
  }

  /** @throws SandboxError unauthenticated when there is no such account */
  checkUser(caller: Caller): void {
    this.#exec.user(caller.user);
  }

  /** Where an upload to `path` would go. @throws SandboxError invalid_argument, unauthenticated */
  resolve(path: string, caller: Caller): string {
    const user = this.#exec.user(caller.user);
    try {
      return this.#exec.resolve(path, user);
    } catch (error) {
      throw withContext(error, "error resolving path");
    }
  }

  /**
   * Takes in `upload.body` and makes it the file's content, with the directories above it. Until the body is complete nothing changes;
   * one that breaks off, and a disk that fills up, leave what was there.
   * @throws SandboxError, and whatever the body throws
   */
  async save(upload: Upload, caller: Caller): Promise<UploadedFile> {
    const user = this.#exec.user(caller.user);
    const owner = ownerFor(user);
    const path = this.resolve(upload.path, caller);
    checkMetadata(upload.metadata);
    using place = await inDirectory(locateTarget(this.#rights.of(user), path));
    const exists = await checkTarget(place, path);
    await using content = await this.#receive(upload, place);
    await inDirectory(place.makeDirectories(owner));
    const { metadata, declaredBytes } = upload;
    await this.#writer.write(place, { content, owner, metadata, declaredBytes, shownPath: path, isExpected: exists });
    return { path, metadata: Object.keys(metadata).length > 0 ? await this.#readBack(place) : {} };
  }

  async #receive(upload: Upload, place: Place): ReturnType<typeof receive> {
    try {
      return await receive(upload.body, () => openSpool(place.directory, this.#spoolDirectory));
    } catch (error) {
      throw errnoName(error) === undefined ? error : writeError(error, upload.declaredBytes);
    }
  }

  async #readBack(place: Place): Promise<Metadata> {
    const { dev } = await place.directory.identity();
    return this.#metadata.read(place.access, place.path, dev);
  }
}
