import { errnoName } from "../errors.ts";
import { concurrently } from "./concurrently.ts";
import type { Directory } from "./directory.ts";
import { isMissing } from "./failures.ts";

const UNLINKS_AT_ONCE = 32;
/** Somebody may be adding files while a directory is being emptied, or put something in its place; not for ever. */
const MAX_ROUNDS = 8;
const CHANGED_MEANWHILE = new Set(["ENOTEMPTY", "EEXIST", "ENOTDIR"]);

/**
 * Removes what is called `name` in `directory`, with everything in it. Links are removed, not followed, also those that somebody
 * puts in the tree meanwhile. What is not there is no error; what can be removed is, before one is thrown.
 * @throws the first system error
 */
export async function removeTree(directory: Directory, name: string | Buffer): Promise<void> {
  for (let round = 1; ; round += 1) {
    if (await removeFile(directory, name)) return;
    await emptyDirectory(directory, name);
    try {
      return await directory.access.removeDirectory(directory.child(name));
    } catch (error) {
      if (isMissing(error)) return;
      if (!CHANGED_MEANWHILE.has(errnoName(error) ?? "") || round === MAX_ROUNDS) throw error;
    }
  }
}

/** Whether it is gone; false: it is a directory. */
async function removeFile(directory: Directory, name: string | Buffer): Promise<boolean> {
  try {
    await directory.access.unlink(directory.child(name));
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    // What POSIX lets other systems say of a directory, this one says of files that may not be touched.
    if (errnoName(error) === "EISDIR") return false;
    throw error;
  }
}

async function emptyDirectory(parent: Directory, name: string | Buffer): Promise<void> {
  using directory = await openIfThere(parent, name);
  if (!directory) return;
  const failures: unknown[] = [];
  const names = await directory.names();
  const areFiles = await concurrently(names, UNLINKS_AT_ONCE, (child) =>
    removeFile(directory, child).catch((error: unknown) => {
      failures.push(error);
      return true;
    }),
  );
  // One directory after the other: each level of the tree holds one descriptor.
  for (const [index, child] of names.entries()) {
    if (areFiles[index]) continue;
    await removeTree(directory, child).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

async function openIfThere(parent: Directory, name: string | Buffer): Promise<Directory | undefined> {
  try {
    return await parent.openChild(name);
  } catch (error) {
    if (isMissing(error) || errnoName(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
