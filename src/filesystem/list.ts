import { posix } from "node:path";
import { errnoName } from "../errors.ts";
import type { FileAccess, FileStats } from "../host/file-access.ts";
import { bareEntry, type EntryReader } from "./entry.ts";
import { isMissing } from "./failures.ts";
import { isDirectory } from "./stats.ts";
import type { Entry, EntryType } from "./types.ts";

const BATCH_ENTRIES = 64;
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
  let types: Promise<Map<string, EntryType>> | undefined;
  const describe = ({ name, path, stats }: Lookup): Child | Promise<Child> => {
    const shownPath = `${shown}/${name.toString("utf8")}`;
    if (stats instanceof Error) {
      types ??= typesWithoutDetails(reader.access, directory);
      return types.then((known) => bareChild(path, shownPath, known.get(name.toString("latin1"))));
    }
    const entry = reader.describe(stats, shownPath, path);
    if (!(entry instanceof Promise)) return { entry, path, isDirectory: isDirectory(stats) };
    return entry.then((known) => ({ entry: known, path, isDirectory: isDirectory(stats) }));
  };
  for await (const batch of lookUp(reader.access, directory)) {
    yield batch.filter(({ stats }) => !isMissing(stats)).map(describe);
  }
}

function bareChild(path: Buffer, shownPath: string, type: EntryType = "other"): Child {
  return { entry: bareEntry(shownPath, type), path, isDirectory: type === "directory" };
}

interface Lookup {
  name: Buffer;
  path: Buffer;
  stats: FileStats | Error;
}

/** Looks up one batch while the one before is taken: the thread pool never sleeps, and each turn of the event loop stays short. */
async function* lookUp(access: FileAccess, directory: Buffer): AsyncGenerator<Lookup[]> {
  // Latin-1 is one character for each byte: their order is that of the bytes.
  const names = (await access.readNames(directory)).toSorted();
  const begin = async (from: number): Promise<Lookup[]> => {
    const batch = names.slice(from, from + BATCH_ENTRIES).map((name) => Buffer.from(name, "latin1"));
    const paths = batch.map((name) => Buffer.concat([directory, SLASH, name]));
    const stats = await access.lstatAll(paths);
    return batch.map((name, index) => ({ name, path: paths[index] ?? name, stats: stats[index] ?? new Error("lost") }));
  };
  let next = begin(0);
  for (let from = 0; from < names.length; from += BATCH_ENTRIES) {
    const batch = await next;
    next = begin(from + BATCH_ENTRIES);
    yield batch;
  }
}

/** A directory may be readable but not searchable: then it tells what its entries are and nothing more. */
async function typesWithoutDetails(access: FileAccess, directory: Buffer): Promise<Map<string, EntryType>> {
  try {
    return new Map((await access.readEntries(directory)).map(({ name, type }) => [name, type]));
  } catch {
    return new Map(); // gone by now: not even that is known
  }
}
