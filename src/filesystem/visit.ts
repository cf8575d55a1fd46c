import { constants } from "node:fs";
import type { FileAccess, FileStats } from "../host/file-access.ts";
import { O_PATH } from "../host/libc-cached.ts";
import { Directory } from "./directory.ts";
import { isMissing } from "./failures.ts";
import { isDirectory, isLink } from "./stats.ts";

const { O_NOFOLLOW } = constants;

/** Something in the tree, opened without any right to its content. */
export interface Visited {
  /** A path of it for any call, whatever it is called by now. */
  self: string;
  stats: FileStats;
  /** The rights with which it was opened. */
  access: FileAccess;
}

/**
 * Opens what is called `name` in `directory` and hands it to `visit`; with `isRecursive`, first everything in it. Links are passed over
 * and never followed, also those that somebody puts in the tree meanwhile. What vanishes in the tree is no error.
 * @returns false when `name` is a link
 * @throws the system error, and what `visit` throws
 */
export async function visitTree(
  directory: Directory,
  name: string | Buffer,
  options: { isRecursive: boolean; signal: AbortSignal | undefined; visit: (visited: Visited) => Promise<void> },
): Promise<boolean> {
  options.signal?.throwIfAborted();
  await using file = await directory.access.open(directory.child(name), O_PATH | O_NOFOLLOW);
  const stats = await file.stat();
  if (isLink(stats)) return false;
  const { self, access } = file;
  if (options.isRecursive && isDirectory(stats)) {
    using inner = await Directory.open(access, self);
    for (const child of await inner.names()) {
      await ignoreMissing(visitTree(inner, child, options));
    }
  }
  await options.visit({ self, stats, access });
  return true;
}

async function ignoreMissing(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
