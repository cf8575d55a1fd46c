import { closeSync, readSync } from "node:fs";
import { readableBytes } from "./libc.ts";
import { bind, check, type IntCall } from "./libc-binding.ts";
import { cPath, type FilePath } from "./libc-files.ts";

const native = {
  init: bind<IntCall<[number]>>("int inotify_init1(int flags)"),
  add: bind<IntCall<[number, Buffer, number]>>("int inotify_add_watch(int fd, const void *path, uint32_t mask)"),
  remove: bind<IntCall<[number, number]>>("int inotify_rm_watch(int fd, int watch)"),
  setFlags: bind<IntCall<[number, number, number]>>("int fcntl(int fd, int command, int flags)"),
  setOwner: bind<IntCall<[number, number, Buffer]>>("int fcntl(int fd, int command, const void *owner)"),
};

const O_NONBLOCK = 0o4000;
const O_ASYNC = 0o20000;
const O_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const F_SETOWN_EX = 15;
const F_OWNER_TID = 0;
const HEADER_BYTES = 16;
/** Some thousand records: what is handled before others get their turn. */
const READ_BYTES = 64 * 1024;

/** Bits of a record's mask, and of what is asked for. */
export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  UNMOUNT: 0x2000,
  Q_OVERFLOW: 0x4000,
  IGNORED: 0x8000,
  ISDIR: 0x40000000,
} as const;
const ONLYDIR = 0x01000000;
const DONT_FOLLOW = 0x02000000;
/**
 * A directory that has its watch already keeps what is asked of it. Without this bit the kernel sets that to nothing for an instant,
 * and loses what happens right then in a directory that is watched again (Linux 6.18: 12 of 600 000 changes beside 3 000 000 such calls).
 */
const MASK_ADD = 0x20000000;
const CHANGES =
  IN.MODIFY | IN.ATTRIB | IN.MOVED_FROM | IN.MOVED_TO | IN.CREATE | IN.DELETE | IN.DELETE_SELF | IN.MOVE_SELF;

/** One record as the kernel writes it. */
export interface InotifyRecord {
  /** Which watch it is of; -1 for an overflow of the queue. */
  watch: number;
  /** Bits of {@link IN}. */
  mask: number;
  /** Joins the two records of a move. */
  cookie: number;
  /** Entry of the directory, one character for each byte (Latin-1); empty for the directory itself. */
  name: string;
}

/**
 * The kernel's account of changes in directories. Reading never blocks; whoever drains it must {@link arm} it to be called again: the
 * kernel then sends SIGIO to this thread with the next record. Costs no thread and nothing while idle, and keeps no process alive.
 */
export class Inotify implements Disposable {
  readonly #fd: number;
  readonly #onSignal: () => void;
  #isOpen = true;

  /** @throws the system error, EMFILE when the user has too many instances */
  constructor(onReadable: () => void) {
    this.#fd = check(native.init(O_NONBLOCK | O_CLOEXEC), "inotify_init1");
    this.#onSignal = () => {
      if (!this.#isOpen || readableBytes(this.#fd) === 0) return;
      // One signal for a burst, not one for each record.
      native.setFlags(this.#fd, F_SETFL, O_NONBLOCK);
      onReadable();
    };
    // The listener is there before the first signal, whose default would end the process.
    process.on("SIGIO", this.#onSignal);
    const owner = Buffer.alloc(8);
    owner.writeInt32LE(F_OWNER_TID, 0);
    // The main thread's id is the process's: no call of another thread is ever interrupted.
    owner.writeInt32LE(process.pid, 4);
    check(native.setOwner(this.#fd, F_SETOWN_EX, owner), "fcntl F_SETOWN_EX");
  }

  /** Asks to be called when there is something to read; false when there already is. */
  arm(): boolean {
    if (!this.#isOpen) return true;
    native.setFlags(this.#fd, F_SETFL, O_NONBLOCK | O_ASYNC);
    return readableBytes(this.#fd) === 0;
  }

  /**
   * Watches the directory at `path`. The same directory has the same watch, whatever path leads there.
   * @throws the system error: ENOSPC when the user's watches are used up, ENOTDIR for anything but a directory, links to one too
   */
  add(path: FilePath): number {
    // Its number may be another descriptor's by now.
    if (!this.#isOpen) throw new Error("inotify is closed");
    return check(native.add(this.#fd, cPath(path), CHANGES | ONLYDIR | DONT_FOLLOW | MASK_ADD), "inotify_add_watch");
  }

  /** One that is gone with its directory is none to remove any more. */
  remove(watch: number): void {
    if (this.#isOpen) native.remove(this.#fd, watch);
  }

  /** Up to 64 KiB of records, whole; undefined when there are none. */
  read(): Buffer | undefined {
    if (!this.#isOpen || readableBytes(this.#fd) === 0) return undefined;
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    return buffer.subarray(0, readSync(this.#fd, buffer));
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    native.setFlags(this.#fd, F_SETFL, O_NONBLOCK);
    process.off("SIGIO", this.#onSignal);
    closeSync(this.#fd);
  }
}

/** Takes apart what {@link Inotify.read} has read. */
export function* inotifyRecords(bytes: Buffer): Generator<InotifyRecord> {
  for (let at = 0; at < bytes.length;) {
    const end = at + HEADER_BYTES + bytes.readUInt32LE(at + 12);
    let nameEnd = at + HEADER_BYTES;
    while (nameEnd < end && bytes[nameEnd] !== 0) nameEnd += 1;
    yield {
      watch: bytes.readInt32LE(at),
      mask: bytes.readUInt32LE(at + 4),
      cookie: bytes.readUInt32LE(at + 8),
      name: bytes.toString("latin1", at + HEADER_BYTES, nameEnd),
    };
    at = end;
  }
}
