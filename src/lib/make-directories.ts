import { mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoName } from "../errors.ts";

/** But for those of the umask. */
const USUAL_MODE = 0o777;

/**
 * Makes `path` and what is missing above it; whether it was missing. Node's own way tries for ever where nothing can be made (in /proc).
 * Whoever else makes it meanwhile is as good. `mode` is for `path` itself, if it was missing; what is above has the usual bits.
 * @throws the system error of mkdir; what is there and no directory is found out by whoever uses it
 */
export function makeDirectories(path: string, mode?: number): boolean {
  try {
    return makeLast(path, mode);
  } catch (error) {
    if (!isAboveMissing(error, path)) throw error;
    makeDirectories(dirname(path));
    return makeLast(path, mode);
  }
}

/** The same on a thread of the pool, for paths that may be on a mount that hangs. */
export async function makeDirectoriesInPool(path: string, mode?: number): Promise<boolean> {
  try {
    return await makeLastInPool(path, mode);
  } catch (error) {
    if (!isAboveMissing(error, path)) throw error;
    await makeDirectoriesInPool(dirname(path));
    return makeLastInPool(path, mode);
  }
}

function makeLast(path: string, mode = USUAL_MODE): boolean {
  try {
    mkdirSync(path, mode);
    return true;
  } catch (error) {
    return wasThere(error);
  }
}

async function makeLastInPool(path: string, mode = USUAL_MODE): Promise<boolean> {
  try {
    await mkdir(path, mode);
    return true;
  } catch (error) {
    return wasThere(error);
  }
}

function isAboveMissing(error: unknown, path: string): boolean {
  return errnoName(error) === "ENOENT" && path !== dirname(path);
}

/** False for a path that is there already; anything else is thrown again. */
function wasThere(error: unknown): false {
  if (errnoName(error) === "EEXIST") return false;
  throw error;
}
