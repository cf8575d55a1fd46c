import { errnoName } from "../errors.ts";
import type { FileAccess } from "../host/file-access.ts";
import { exactPath } from "./types.ts";

/**
 * Names of everything in directory `root` (and below it), parents before children; links are not followed. What vanishes meanwhile or
 * may not be read is left out. Looks at the next directory when it is asked for it.
 */
export async function* walk(access: FileAccess, root: string, isRecursive: boolean): AsyncGenerator<string> {
  const waiting = [""];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    for (const { name, type } of await entriesOf(access, exactPath(Buffer.from(root), directory))) {
      const place = directory === "" ? name : `${directory}/${name}`;
      if (isRecursive && type === "directory") waiting.push(place);
      yield place;
    }
  }
}

async function entriesOf(access: FileAccess, path: Buffer): ReturnType<FileAccess["readEntries"]> {
  try {
    return await access.readEntries(path);
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return [];
  }
}
