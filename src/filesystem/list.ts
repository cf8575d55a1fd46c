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
 * Everything in directory `root`, some entries at a time: parents before children, siblings in the order of their bytes. Links are
 * listed, not followed. What vanishes meanwhile is left out; what may not be looked at is listed without details.
 * @throws the system error of reading `root`
 */
export function listTree(root: string, options: ListOptions): AsyncGenerator<Entry[]> {
  const shown = posix.normalize(options.shownRoot).replace(/\/$/, "");
  return options.depth > 1 ? listDeep(Buffer.from(root), shown, options) : listFlat(Buffer.from(root), shown, options);
}

async function* listFlat(directory: Buffer, shown: string, options: ListOptions): AsyncGenerator<Entry[]> {
  for await (const children of readChildren(directory, shown, options)) {
    yield children.map(({ entry }) => entry);
  }
}

/** A directory is read to its end before those in it: of a tree of any depth one is open at a time. */
async function* listDeep(directory: Buffer, shown: string, options: ListOptions): AsyncGenerator<Entry[]> {
  const slices: Child[][] = [];
  for await (const children of readChildren(directory, shown, options)) slices.push(children);
  for (const children of slices) {
    let entries: Entry[] = [];
    for (const child of children) {
      entries.push(child.entry);
      if (!child.isDirectory) continue;
      yield entries;
      entries = [];
      yield* listBelow(child, options);
    }
    yield entries;
  }
}

/** One level further down. A directory that cannot be read, or is gone, has no children to list. */
async function* listBelow(parent: Child, options: ListOptions): AsyncGenerator<Entry[]> {
  const depth = options.depth - 1;
  const list = depth > 1 ? listDeep : listFlat;
  try {
    yield* list(parent.path, parent.entry.path, { ...options, depth });
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

/** Children in order of their names' bytes, some at a time. */
async function* readChildren(
  directory: Buffer,
  shown: string,
  { reader, signal }: ListOptions,
): AsyncGenerator<Child[]> {
  signal?.throwIfAborted();
  const describe = ({ name, type, stats, hasAttributes }: ListedEntry): Child | Promise<Child> => {
    const shownPath = `${shown}/${name.toString("utf8")}`;
    const path = Buffer.concat([directory, SLASH, name]);
    if (!stats) return { entry: bareEntry(shownPath, type), path, isDirectory: type === "directory" };
    const entry = reader.describeKnown({ stats, mayHaveMetadata: hasAttributes }, shownPath, path);
    if (!(entry instanceof Promise)) return { entry, path, isDirectory: isDirectory(stats) };
    return entry.then((known) => ({ entry: known, path, isDirectory: isDirectory(stats) }));
  };
  for await (const slice of reader.access.list(directory, METADATA_PREFIX)) {
    signal?.throwIfAborted();
    const children: Child[] = [];
    for (const pending of slice.map(describe)) children.push(pending instanceof Promise ? await pending : pending);
    yield children;
  }
}
