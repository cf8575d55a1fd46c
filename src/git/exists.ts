import { lstat } from "node:fs/promises";

/** Whether there is anything at `path`; false also when it is not to be seen: then git says why. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch {
    return false;
  }
}
