import { mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoName } from "../errors.ts";

/** Whoever else has made it meanwhile is as good. */
function makeLast(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (errnoName(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * Makes `path` and what is missing above it; whether it was missing. Node's own way tries for ever where nothing can be made (in /proc).
 * @throws the system error of mkdir; what is there and no directory is found out by whoever uses it
 */
export function makeDirectories(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (errnoName(error) === "EEXIST") return false;
    if (errnoName(error) !== "ENOENT" || path === dirname(path)) throw error;
    makeDirectories(dirname(path));
    return makeLast(path);
  }
}

/** The same on a thread of the pool, for paths that may be on a mount that hangs. */
export async function makeDirectoriesInPool(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (errnoName(error) === "EEXIST") return false;
    if (errnoName(error) !== "ENOENT" || path === dirname(path)) throw error;
    await makeDirectoriesInPool(dirname(path));
    return makeLastInPool(path);
  }
}

async function makeLastInPool(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (errnoName(error) === "EEXIST") return false;
    throw error;
  }
}
