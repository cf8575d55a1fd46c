export type { Entry } from "../filesystem/types.ts";

export type ChangeType = "create" | "write" | "remove" | "rename" | "chmod";

/** Something that happened below (or to) a watched directory. */
export interface Change {
  type: ChangeType;
  /** Relative to the watched directory, one character for each byte (Latin-1); `.` is the directory itself. */
  name: string;
  /** Where something came from that was moved within the watched tree: everything below goes on under the new name. */
  from?: string;
}

/** Why a part of a tree is looked at from time to time, or not watched at all. */
export type GapReason = "budget" | "network" | "path_too_long";

/** What a watcher tells: a change; that some were lost, so that everything there is follows as `create`; or what is not watched as it should be. */
export type WatchItem =
  | Change
  | { type: "rescan" }
  | { type: "gap"; name: string; reason: GapReason; mode: "polling" | "none" };

/** How changes are noticed. */
export type WatchMode = "inotify" | "polling";

/** A directory to watch. */
export interface WatchRequest {
  /** As the caller writes it. */
  path: string;
  isRecursive: boolean;
  allowsNetworkMounts: boolean;
  user: string | undefined;
}

/** A name in readable form: bytes that are not UTF-8 become U+FFFD. */
export function shownName(name: string): string {
  // eslint-disable-next-line no-control-regex -- exactly the characters that are their own UTF-8
  return /^[\0-\x7f]*$/.test(name) ? name : Buffer.from(name, "latin1").toString("utf8");
}

/** A path below `root` with its exact bytes; text where that says the same. */
export function exactPath(root: Buffer, name: string): Buffer {
  return name === "." || name === "" ? root : Buffer.concat([root, Buffer.from(`/${name}`, "latin1")]);
}
