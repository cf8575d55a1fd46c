import { posix } from "node:path";
import { errnoName } from "../errors.ts";
import type { ListedEntry } from "../host/file-access.ts";
import { bareEntry, type EntryReader } from "./entry.ts";
import { METADATA_PREFIX } from "./metadata.ts";
import { isDirectory } from "./stats.ts";
import type { Entry } from "./types.ts";

const SLASH = Buffer.from("/");

/** What to list, and how to show it. */
export interface ListOptions {
  reader: EntryReader;
  /** What entries' paths begin with. */
  shownRoot: string;
  /** Levels to descend; 1 is direct children only. */
  depth: number;
  signal?: AbortSignal | undefined;
}

/**
 * Everything in directory `root`, parents before children, siblings in the order of their bytes. Links are listed, not followed.
 * What vanishes meanwhile is left out; what may not be looked at is listed without details.
 * @throws the system error of reading `root`
 */
export async function listTree(root: string, options: ListOptions): Promise<Entry[]> {
  const into: Entry[] = [];
  const shown = posix.normalize(options.shownRoot).replace(/\/$/, "");
  await listInto(into, Buffer.from(root), shown, options);
  return into;
}

async function listInto(into: Entry[], directory: Buffer, shown: string, options: ListOptions): Promise<void> {
  options.signal?.throwIfAborted();
  for await (const children of readChildren(directory, shown, options.reader)) {
    for (const pending of children) {
      const child = pending instanceof Promise ? await pending : pending;
      into.push(child.entry);
      if (options.depth > 1 && child.isDirectory) await listBelow(into, child, options);
    }
  }
}

/** One level further down. A directory that cannot be read, or is gone, has no children to list. */
async function listBelow(into: Entry[], parent: Child, options: ListOptions): Promise<void> {
  try {
    await listInto(into, parent.path, parent.entry.path, { ...options, depth: options.depth - 1 });
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
  }
}

interface Child {
  entry: Entry;
  /** Its exact bytes. */
  path: Buffer;
  /** Itself, not through a link. */
  isDirectory: boolean;
}

/** Children in order of their names' bytes, some at a time; those that take another look come as promises, which never reject. */
async function* readChildren(
  directory: Buffer,
  shown: string,
  reader: EntryReader,
): AsyncGenerator<(Child | Promise<Child>)[]> {
  const describe = ({ name, type, stats, hasAttributes }: ListedEntry): Child | Promise<Child> => {
    const shownPath = `${shown}/${name.toString("utf8")}`;
    const path = Buffer.concat([directory, SLASH, name]);
    if (!stats) return { entry: bareEntry(shownPath, type), path, isDirectory: type === "directory" };
    const entry = reader.describeKnown({ stats, mayHaveMetadata: hasAttributes }, shownPath, path);
    if (!(entry instanceof Promise)) return { entry, path, isDirectory: isDirectory(stats) };
    return entry.then((known) => ({ entry: known, path, isDirectory: isDirectory(stats) }));
  };
  for await (const slice of reader.access.list(directory, METADATA_PREFIX)) {
    yield slice.map(describe);
  }
}
