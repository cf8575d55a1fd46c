import { mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoName } from "../errors.ts";

/**
 * Makes `path` and what is missing above it; whether it was missing. Node's own way tries for ever where nothing can be made (in /proc).
 * Whoever else makes it meanwhile is as good.
 * @throws the system error of mkdir; what is there and no directory is found out by whoever uses it
 */
export function makeDirectories(path: string): boolean {
  try {
    return makeLast(path);
  } catch (error) {
    if (!isAboveMissing(error, path)) throw error;
    makeDirectories(dirname(path));
    return makeLast(path);
  }
}

/** The same on a thread of the pool, for paths that may be on a mount that hangs. */
export async function makeDirectoriesInPool(path: string): Promise<boolean> {
  try {
    return await makeLastInPool(path);
  } catch (error) {
    if (!isAboveMissing(error, path)) throw error;
    await makeDirectoriesInPool(dirname(path));
    return makeLastInPool(path);
  }
}

function makeLast(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    return wasThere(error);
  }
}

async function makeLastInPool(path: string): Promise<boolean> {
  try {
    await mkdir(path);
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
