import { EntryReader } from "../filesystem/entry.ts";
import type { MetadataStore } from "../filesystem/metadata.ts";
import type { Users } from "../host/users.ts";
import { withoutTrailing } from "../lib/without-trailing.ts";
import { type Change, type Entry, exactPath, shownName } from "./types.ts";
import type { Watcher } from "./watcher.ts";

/** Looks at what has changed, as it is by now. */
export class ChangeEntries {
  readonly #users: Users;
  readonly #metadata: MetadataStore;

  constructor(deps: { users: Users; metadata: MetadataStore }) {
    this.#users = deps.users;
    this.#metadata = deps.metadata;
  }

  /** What there is where something was made or changed, in the order of `changes`; undefined where there is nothing any more. */
  async read(watcher: Watcher, changes: readonly Change[]): Promise<(Entry | undefined)[]> {
    const { access } = watcher;
    const reader = new EntryReader({ access, users: this.#users, metadata: this.#metadata });
    const shownRoot = withoutTrailing(watcher.shownPath, "/") || "/";
    const entryOf = async ({ type, name }: Change): Promise<Entry | undefined> => {
      if (type === "remove" || type === "rename") return undefined;
      const path = exactPath(Buffer.from(watcher.path), name);
      const shown = name === "." ? shownRoot : `${shownRoot === "/" ? "" : shownRoot}/${shownName(name)}`;
      try {
        return await reader.describe(await access.lstat(path), shown, path);
      } catch {
        return undefined; // gone by now: the next change says so
      }
    };
    return Promise.all(changes.map(entryOf));
  }
}
