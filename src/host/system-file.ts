import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { errnoName } from "../errors.ts";

/* Files of the system's that other programs read at any time, and that may be anything: a link, or mounted into a container on their own. */

/** What a file answers that is mounted on its own, or in a directory that takes no other. */
const NO_REPLACING = new Set(["EBUSY", "EXDEV", "EACCES", "EPERM", "EROFS"]);

/** The file byte for byte, a character each (Latin-1); undefined when there is none. @throws the system error */
export async function readSystemFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "latin1");
  } catch (error) {
    if (errnoName(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Gives the file that `path` leads to another content, with its mode and owner as they were; makes it (0644) where there is none.
 * In one step where that can be; else, as where the file is a mount of its own, in place.
 * @throws the system error
 */
export async function replaceSystemFile(path: string, content: string): Promise<void> {
  const bytes = Buffer.from(content, "latin1");
  const target = await realpath(path).catch(() => path);
  const before = await stat(target).catch(() => undefined);
  try {
    await replaceInOneStep(target, bytes, before);
  } catch (error) {
    // Not for a disk that is full, which would take half of it.
    if (!before || !NO_REPLACING.has(errnoName(error) ?? "")) throw error;
    await overwrite(target, bytes);
  }
}

async function replaceInOneStep(target: string, bytes: Buffer, before: Stats | undefined): Promise<void> {
  const draft = `${target}.guestd-${randomUUID()}`;
  try {
    await using file = await open(draft, "wx", 0o600);
    await file.writeFile(bytes);
    if (before) await file.chown(before.uid, before.gid);
    await file.chmod(before ? before.mode & 0o7777 : 0o644);
    await file.sync();
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // a directory that takes no new file has none to remove
    throw error;
  }
}

/** All bytes first and the cut after them, so that no reader finds the file empty. */
async function overwrite(target: string, bytes: Buffer): Promise<void> {
  await using file = await open(target, "r+");
  let at = 0;
  while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
  await file.truncate(bytes.length);
  await file.sync();
}
