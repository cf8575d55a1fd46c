import { rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoText } from "../errors.ts";
import { makeDirectoriesInPool } from "../lib/make-directories.ts";
import { Mutex } from "../lib/mutex.ts";
import { kernelUuid } from "../lib/uuid.ts";
import type { Logger } from "../log.ts";

/** A file that programs look for, by its name in the folder. */
export interface IdentityFile {
  name: string;
  /** Undefined: there is to be no such file. */
  text: string | undefined;
  mode: number;
}

/**
 * Files in one folder that say which sandbox this is. A file is replaced in one step; what cannot be written is logged, no more.
 * Disposing removes what is still as it was written here. Writing and removing take turns (the mutex).
 */
export class IdentityFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #mutex = new Mutex();
  /** Inodes of the files, by their paths: another daemon may have put its own there since. */
  readonly #written = new Map<string, bigint>();
  #hasMadeFolder = false;
  #isDisposed = false;

  constructor(options: { folder: string; log: Logger }) {
    this.#folder = options.folder;
    this.#log = options.log;
  }

  /** Never rejects. */
  async write(files: readonly IdentityFile[]): Promise<void> {
    using _turn = await this.#mutex.lock();
    if (this.#isDisposed) return;
    try {
      if (await makeDirectoriesInPool(this.#folder)) this.#hasMadeFolder = true;
      // oxlint-disable-next-line no-await-in-loop -- a handful, and the first failure is that of all
      for (const file of files) await this.#replace(file);
    } catch (error) {
      this.#log.warn("identity_files.not_written", { folder: this.#folder, error: errnoText(error) });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _turn = await this.#mutex.lock();
    this.#isDisposed = true;
    await Promise.all([...this.#written].map(([path, inode]) => removeIfSame(path, inode)));
    // It stays when somebody has put something else into it.
    if (this.#hasMadeFolder) await rmdir(this.#folder).catch(() => undefined);
  }

  async #replace({ name, text, mode }: IdentityFile): Promise<void> {
    const path = join(this.#folder, name);
    if (text === undefined) return rm(path, { force: true });
    const draft = `${path}.${kernelUuid()}`;
    try {
      await writeFile(draft, text, { flag: "wx", mode });
      const { ino } = await stat(draft, { bigint: true });
      await rename(draft, path);
      this.#written.set(path, ino);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }
}

async function removeIfSame(path: string, inode: bigint): Promise<void> {
  try {
    if ((await stat(path, { bigint: true })).ino === inode) await rm(path);
  } catch {
    // Somebody else has removed it.
  }
}
