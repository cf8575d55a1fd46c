import { constants, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

const { S_IWGRP, S_IWOTH } = constants;
const S_ISVTX = 0o1000;

/**
 * The first directory, from `path` upwards, in which others than root and this user may rename what is not theirs: it belongs to them, or they may
 * write to it and it has no sticky bit. Undefined: there is none. Links on the way count with where they are and where they lead. What may not be looked at is not told.
 */
export function exchangeableAt(path: string): string | undefined {
  try {
    return [resolve(path), realpathSync(path)].flatMap(upwards).find(isOthers);
  } catch {
    return undefined; // a file server keeps it even from root
  }
}

function upwards(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [path, ...upwards(above)];
}

function isOthers(path: string): boolean {
  const { uid, mode } = statSync(path);
  if (uid !== 0 && uid !== process.geteuid?.()) return true;
  return (mode & (S_IWGRP | S_IWOTH)) !== 0 && (mode & S_ISVTX) === 0;
}
