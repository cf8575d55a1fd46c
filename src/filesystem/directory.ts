import { constants } from "node:fs";
import { O_PATH } from "../host/libc-cached.ts";
import type { FileAccess, FileDescriptor, FilePath } from "../host/file-access.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;

/**
 * An open directory. Names are looked up in it whatever becomes of the path that led here: a link that somebody puts in that path
 * later is not followed. Whoever opens it disposes it. What is done in it is done with the rights it was opened with.
 */
export class Directory implements Disposable {
  readonly access: FileAccess;
  readonly #file: FileDescriptor;
  #identity: Promise<{ dev: bigint; ino: bigint }> | undefined;

  private constructor(file: FileDescriptor, access: FileAccess) {
    this.access = access;
    this.#file = file;
  }

  /** Follows links in `path`, once. @throws the system error of open */
  static async open(access: FileAccess, path: string): Promise<Directory> {
    return new Directory(await access.open(path, O_PATH | O_DIRECTORY), access);
  }

  /** As {@link open}, but the last name must not be a link. @throws the system error of open: ENOTDIR for a link */
  static async openLast(access: FileAccess, path: FilePath): Promise<Directory> {
    return new Directory(await access.open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW), access);
  }

  /** A path of the directory itself, good for any call while it is open. */
  get self(): string {
    return this.#file.self;
  }

  /** A path of what is called `name` in it, good while it is open; a link of that name is still a link. */
  child(name: string): string;
  /** The same for names that need not be UTF-8. */
  child(name: Buffer): Buffer;
  child(name: string | Buffer): string | Buffer;
  child(name: string | Buffer): string | Buffer {
    return typeof name === "string" ? `${this.self}/${name}` : Buffer.concat([Buffer.from(`${this.self}/`), name]);
  }

  /** A directory in it. @throws the system error of open: ENOTDIR for anything else, a link to a directory included */
  async openChild(name: string | Buffer): Promise<Directory> {
    return Directory.openLast(this.access, this.child(name));
  }

  /** What is in it, in no order. */
  async names(): Promise<Buffer[]> {
    return (await this.access.readNames(this.self)).map((name) => Buffer.from(name, "latin1"));
  }

  /** Device and inode number: the same for two open directories that are one. */
  identity(): Promise<{ dev: bigint; ino: bigint }> {
    // That never changes.
    this.#identity ??= Promise.resolve(this.#file.statCached() ?? this.#file.stat());
    return this.#identity;
  }

  /** Where it is now, without links. */
  async path(): Promise<string> {
    return (await this.access.readLink(this.self)).toString();
  }

  /** Closing such a descriptor does nothing that could wait. */
  [Symbol.dispose](): void {
    this.#file.closeNow();
  }
}
