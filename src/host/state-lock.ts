import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { lockFile, tryLockFile } from "./libc-lock.ts";
import { ifThere } from "./remove-tree.ts";

/** In a directory of state: whoever has made that holds it, and nobody does once they are gone, however they ended. */
export const STATE_LOCK = "guestd.lock";
const WORDS = Buffer.from("guestd keeps its state here while it runs, and holds this file\n");

/**
 * Holds `directory`, which was made just now, until this is disposed. The lock has its name only once it is held: nobody finds it free
 * before. `directory` is a path of the directory itself. Undefined where files cannot be locked: nobody takes the directory for one that was left.
 */
export function holdState(directory: string): Disposable | undefined {
  const unnamed = join(directory, `.${STATE_LOCK}`);
  let fd: number | undefined;
  try {
    fd = openSync(unnamed, "wx", 0o600);
    lockFile(fd);
    writeSync(fd, WORDS);
    renameSync(unnamed, join(directory, STATE_LOCK));
    return holding(fd);
  } catch {
    if (fd === undefined) return undefined;
    closeSync(fd);
    ifThere(() => unlinkSync(unnamed));
    return undefined;
  }
}

/** Holds a directory whose maker is gone; undefined when it is not, or when it was not guestd, as this user, who has made it. */
export function holdLeftState(directory: string): Disposable | undefined {
  const path = join(directory, STATE_LOCK);
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const held = fd;
    if (isOurs(held) && tryLockFile(held) && lstatSync(path).ino === fstatSync(held).ino) {
      return holding(held);
    }
  } catch {
    // There is none, it is not ours to open, or somebody else has just removed it.
  }
  if (fd !== undefined) closeSync(fd);
  return undefined;
}

function holding(fd: number): Disposable {
  return { [Symbol.dispose]: () => closeSync(fd) };
}

function isOurs(fd: number): boolean {
  const stat = fstatSync(fd);
  const words = Buffer.alloc(WORDS.length);
  return (
    stat.isFile() && stat.uid === process.geteuid?.() && readSync(fd, words) === words.length && words.equals(WORDS)
  );
}
