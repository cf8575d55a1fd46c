import { closeSync, readSync } from "node:fs";
import koffi from "koffi";

const library = koffi.load("libc.so.6");
const init = library.func("int inotify_init1(int flags)") as (flags: number) => number;
const add = library.func("int inotify_add_watch(int fd, const char *path, uint32_t mask)") as (
  fd: number,
  path: string,
  mask: number,
) => number;

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const KINDS: Readonly<Record<string, number>> = {
  WRITE: 0x2,
  CHMOD: 0x4,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  REMOVE: 0x200,
};

/** Sees what happens in one directory, as `CREATE name`. */
export class Inotify implements Disposable {
  readonly #fd = init(O_NONBLOCK | O_CLOEXEC);

  constructor(directory: string) {
    const mask = Object.values(KINDS).reduce((all, bit) => all | bit);
    if (add(this.#fd, directory, mask) < 0) throw new Error(`cannot watch ${directory}`);
  }

  /** Everything since the last call. */
  events(): string[] {
    const buffer = Buffer.alloc(64 * 1024);
    let length = 0;
    try {
      length = readSync(this.#fd, buffer);
    } catch {
      return []; // nothing there
    }
    const events: string[] = [];
    for (let at = 0; at < length;) {
      const mask = buffer.readUInt32LE(at + 4);
      const nameBytes = buffer.readUInt32LE(at + 12);
      const name = buffer.toString("utf8", at + 16, at + 16 + nameBytes).replace(/\0+$/, "");
      for (const [kind, bit] of Object.entries(KINDS)) if ((mask & bit) !== 0) events.push(`${kind} ${name}`);
      at += 16 + nameBytes;
    }
    return events;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
