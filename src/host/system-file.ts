import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { type FileHandle, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
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

/**
 * What is longer comes first, since that may find the disk full, and can be undone; what is shorter is filled up with empty lines before
 * the cut, so that no reader finds the file empty, or an old line's end.
 */
async function overwrite(target: string, bytes: Buffer): Promise<void> {
  await using file = await open(target, "r+");
  const { size } = await file.stat();
  try {
    await writeAt(file, bytes.subarray(size), size);
  } catch (error) {
    await file.truncate(size);
    throw error;
  }
  const filled = Buffer.concat([bytes.subarray(0, size), Buffer.alloc(Math.max(0, size - bytes.length), "\n")]);
  await writeAt(file, filled, 0);
  await file.truncate(bytes.length);
  await file.sync();
}

async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}
