import { directoryError, fileError, notRegular, withContext } from "./failures.ts";
import type { Place } from "./place.ts";
import { isDirectory, isRegular } from "./stats.ts";

/** Says of a failed look-up that it was about the directories of a path. */
export async function inDirectory<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw withContext(error, "error ensuring directories");
  }
}

/** Whether there is a file. @throws SandboxError invalid_argument for a directory, failed_precondition for what is no file */
export async function checkTarget(place: Place, path: string): Promise<boolean> {
  if (path.endsWith("/") || ["", ".", ".."].includes(place.name)) throw directoryError(path);
  const stats = await lookAt(place, path);
  if (!stats) return false;
  if (isDirectory(stats)) throw directoryError(path);
  if (!isRegular(stats)) throw notRegular(path);
  return true;
}

async function lookAt(place: Place, path: string): ReturnType<Place["found"]> {
  try {
    return await place.found();
  } catch (error) {
    throw fileError(error, `error getting file info: stat ${path}`);
  }
}
