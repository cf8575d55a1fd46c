import { chmodSync, lchownSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { errnoName } from "../errors.ts";

const PRIVATE_DIRECTORY_MODE = 0o700;

/**
 * Removes what is in `directory`, which is ours and nobody else may write to, but for the file `kept`. Some directories below it may be
 * users': each becomes ours before it is entered, so that nobody can put a link to somewhere else in the way. Links themselves are
 * removed; what goes by itself meanwhile is as good.
 * @throws the system error
 */
export function emptyDirectory(directory: string, kept?: string): void {
  for (const name of ifThere(() => readdirSync(directory)) ?? []) {
    if (name !== kept) ifThere(() => removeTree(join(directory, name)));
  }
}

function removeTree(path: string): void {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return unlinkSync(path);
  const own = process.geteuid?.();
  if (own !== undefined && stat.uid !== own) takeOver(path, own);
  emptyDirectory(path);
  rmdirSync(path);
}

/** Nobody can exchange it meanwhile: what it is in is ours. */
function takeOver(directory: string, own: number): void {
  lchownSync(directory, own, -1);
  chmodSync(directory, PRIVATE_DIRECTORY_MODE);
}

/** What a call on a path has said; undefined when there is nothing any more. */
export function ifThere<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoName(error) === "ENOENT") return undefined;
    throw error;
  }
}
