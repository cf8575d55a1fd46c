import { mkdtemp, readFile, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExecContext } from "../../../src/host/exec-context.ts";
import type { FileAccess } from "../../../src/host/file-access.ts";
import { NETWORK_MOUNTS, type NetworkMounts } from "../../../src/host/mounts.ts";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { Users } from "../../../src/host/users.ts";
import { createLogger } from "../../../src/log.ts";
import { shownName, type WatchItem, type WatchRequest } from "../../../src/watch/types.ts";
import type { Watcher } from "../../../src/watch/watcher.ts";
import { Watchers } from "../../../src/watch/watchers.ts";

/** Watchers as the daemon has them, with a directory for tests. */
export interface TestWatching extends AsyncDisposable {
  watchers: Watchers;
  root: string;
  log: Record<string, unknown>[];
  open(path: string, options?: Partial<WatchRequest>): Promise<TestReader>;
}

/** A watcher and what was read of it so far. */
export interface TestReader {
  watcher: Watcher;
  /** `create name` of everything since the last call. */
  events: () => Promise<string[]>;
}

export interface TestWatchingOptions {
  maxItems?: number;
  maxWatches?: number;
  access?: FileAccess;
  mounts?: NetworkMounts;
}

export async function testWatching(options: TestWatchingOptions = {}): Promise<TestWatching> {
  const { maxItems = 65_536, maxWatches = 1_000_000, access = OWN_FILE_ACCESS, mounts = NETWORK_MOUNTS } = options;
  const root = await mkdtemp(join(tmpdir(), "guestd-watch-"));
  const users = new Users();
  const exec = new ExecContext({ users, path: "/usr/bin", defaultUser: users.self().name });
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = createLogger({ level: "debug", format: "json", write });
  const watchers = new Watchers({ exec, rights: { of: () => access }, mounts, log, maxItems, maxWatches });
  return {
    watchers,
    root,
    log: lines,
    open: async (path, more = {}) => {
      const request = { path, isRecursive: false, allowsNetworkMounts: false, user: undefined, ...more };
      return reader(await watchers.open(request));
    },
    [Symbol.asyncDispose]: async () => {
      await watchers[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

function reader(watcher: Watcher): TestReader {
  let cursor = 0;
  return {
    watcher,
    events: async () => {
      const texts: string[] = [];
      for await (const batch of watcher.read(cursor)) {
        texts.push(...batch.items.map(itemText));
        cursor = batch.cursor;
      }
      return texts;
    },
  };
}

/** `create name`, `rescan`, `gap name budget`. */
export function itemText(item: WatchItem): string {
  if (item.type === "rescan") return "rescan";
  if (item.type === "gap") return `gap ${shownName(item.name)} ${item.reason} ${item.mode}`;
  return `${item.type} ${shownName(item.name)}${item.from === undefined ? "" : ` from ${shownName(item.from)}`}`;
}

/** The inotify instances of a process: how many directories each watches. */
export async function inotifyInstances(pid: number | "self" = "self"): Promise<number[]> {
  const folder = `/proc/${pid}/fd`;
  const counts: number[] = [];
  for (const fd of await readdir(folder)) {
    const target = await readlink(join(folder, fd)).catch(() => "");
    if (target !== "anon_inode:inotify") continue;
    const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, "utf8");
    counts.push(info.match(/^inotify wd:/gm)?.length ?? 0);
  }
  return counts;
}

/** The set of names that a client has in mind which follows the changes. */
export class FollowedSet {
  #names = new Set<string>();
  /** Under the old name of what was renamed, what was below: it either turns up under another name or has left. */
  readonly #leaving = new Map<string, string[]>();

  take(item: WatchItem): void {
    if (item.type === "rescan") this.#names.clear();
    else if (item.type === "create") this.#create(item.name, item.from);
    else if (item.type === "rename") this.#leaving.set(item.name, this.#cut(item.name));
    else if (item.type === "remove") this.#cut(item.name);
  }

  get names(): string[] {
    return [...this.#names].toSorted();
  }

  #create(name: string, from: string | undefined): void {
    // Whatever a directory is moved over was empty, and is gone.
    if (from !== undefined) this.#cut(name);
    this.#names.add(name);
    for (const below of this.#leaving.get(from ?? "") ?? []) this.#names.add(name + below);
  }

  /** Takes out a name and what is below it. @returns what was below */
  #cut(name: string): string[] {
    this.#names.delete(name);
    const below = [...this.#names].filter((other) => other.startsWith(`${name}/`));
    for (const other of below) this.#names.delete(other);
    return below.map((other) => other.slice(name.length));
  }
}
