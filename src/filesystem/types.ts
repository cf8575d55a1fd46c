export type { Identity } from "../host/users.ts";

/** What an entry is: of a symbolic link, what it leads to; `other` is a FIFO, socket, device or a link to nothing. */
export type EntryType = "file" | "directory" | "other";

/** Facts that callers attached to a file: printable ASCII, kept in extended attributes. */
export type Metadata = Readonly<Record<string, string>>;

/** A moment as file systems keep it. */
export interface FileTime {
  /** Unix time. */
  seconds: number;
  nanoseconds: number;
}

/** One file, directory or link as callers see it. */
export interface Entry {
  name: string;
  type: EntryType;
  /** As it was asked for: links in it are not resolved. Bytes that are not UTF-8 are U+FFFD. */
  path: string;
  /** Of a link itself, not of what it leads to. */
  sizeBytes: number;
  /** Permission bits; those of a link's target, 0 when there is none. */
  mode: number;
  /** The whole mode of the entry itself, its kind included; 0 where that may not be looked at. */
  ownMode: number;
  /** How many names it has. */
  linkCount: number;
  /** As `drwxr-xr-x`, in the letters of the wire contract. */
  permissions: string;
  /** Names, or numbers as text where the account database has none. */
  owner: string;
  group: string;
  modifiedTime: FileTime | undefined;
  /** Where a link leads in the end; its own path when that is nowhere. Only links have it. */
  symlinkTarget: string | undefined;
  metadata: Metadata;
}
