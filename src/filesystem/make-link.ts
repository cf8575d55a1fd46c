import { constants } from "node:fs";
import { errnoName } from "../errors.ts";
import { O_PATH } from "../host/libc-cached.ts";
import type { Directory } from "./directory.ts";
import type { Owner } from "./owner.ts";
import { removeTree } from "./remove.ts";
import { temporaryName } from "./staged-file.ts";
import { isLink } from "./stats.ts";

const { O_NOFOLLOW } = constants;

/** A symbolic link to be made: what it leads to, as it is stored, and whose it is. */
export interface NewLink {
  target: string;
  owner: Owner;
}

/** Makes a link. False: something of that name is there. @throws the system error */
export async function makeLink(directory: Directory, name: string, { target, owner }: NewLink): Promise<boolean> {
  try {
    await directory.access.makeLink(target, directory.child(name));
  } catch (error) {
    if (errnoName(error) === "EEXIST") return false;
    throw error;
  }
  await give(directory, name, { target, owner });
  return true;
}

/** Puts a link in the place of the file or link `name`, in one step. @throws the system error: EISDIR for a directory */
export async function replaceByLink(directory: Directory, name: string, link: NewLink): Promise<void> {
  const temporary = temporaryName();
  try {
    await makeLink(directory, temporary, link);
    await directory.access.rename(directory.child(temporary), directory.child(name));
  } catch (error) {
    await removeTree(directory, temporary).catch(() => undefined); // the error that led here is the one to tell
    throw error;
  }
}

/** What somebody has put in the new link's place meanwhile is left alone: it is opened, looked at, and only then given away. */
async function give(directory: Directory, name: string, { target, owner }: NewLink): Promise<void> {
  const { access } = directory;
  const path = directory.child(name);
  await using made = await access.open(path, O_PATH | O_NOFOLLOW);
  if (!isLink(await made.stat()) || (await access.readLink(path)).toString() !== target) return;
  await made.chown(owner.uid, owner.gid);
}
