import { closeSync, constants, fstat, open, readlink } from "node:fs";
import { promisify } from "node:util";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Opens a place in the tree without any right to its content. */
export const O_PATH = 0o10000000;

const openDescriptor = promisify(open);
const statDescriptor = promisify(fstat);
const readLink = promisify(readlink);

/**
 * An open directory. Names are looked up in it whatever becomes of the path that led here: a link that somebody puts in that path
 * later is not followed. Whoever opens it disposes it.
 */
export class Directory implements Disposable {
  readonly #fd: number;
  #identity: Promise<{ dev: bigint; ino: bigint }> | undefined;
  #isOpen = true;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Follows links in `path`, once. @throws the system error of open */
  static async open(path: string): Promise<Directory> {
    return new Directory(await openDescriptor(path, O_PATH | O_DIRECTORY));
  }

  /** As {@link open}, but the last name must not be a link. @throws the system error of open: ENOTDIR for a link */
  static async openLast(path: string | Buffer): Promise<Directory> {
    return new Directory(await openDescriptor(path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  }

  /** A path of the directory itself, good for any call while it is open. */
  get self(): string {
    return `/proc/self/fd/${this.#fd}`;
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
    return Directory.openLast(this.child(name));
  }

  /** Device and inode number: the same for two open directories that are one. */
  identity(): Promise<{ dev: bigint; ino: bigint }> {
    this.#identity ??= statDescriptor(this.#fd, { bigint: true });
    return this.#identity;
  }

  /** Where it is now, without links. */
  async path(): Promise<string> {
    return readLink(this.self);
  }

  /** Closing such a descriptor does nothing that could wait. */
  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}
