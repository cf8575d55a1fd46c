import { constants } from "node:fs";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = constants;

/** The kind of a file among the bits of its mode: `S_IFREG` and so on. */
export function kindOf(stats: { mode: bigint }): number {
  return Number(stats.mode) & S_IFMT;
}

export function isRegular(stats: { mode: bigint }): boolean {
  return kindOf(stats) === S_IFREG;
}

export function isDirectory(stats: { mode: bigint }): boolean {
  return kindOf(stats) === S_IFDIR;
}

export function isLink(stats: { mode: bigint }): boolean {
  return kindOf(stats) === S_IFLNK;
}
