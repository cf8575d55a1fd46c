import { constants } from "node:fs";
import { posix } from "node:path";
import type { FileAccess, FilePath, FileStats } from "../host/file-access.ts";
import type { Users } from "../host/users.ts";
import type { MetadataStore } from "./metadata.ts";
import { isDirectory, isLink, isRegular } from "./stats.ts";
import type { Entry, EntryType, FileTime } from "./types.ts";

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR } = constants;
const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_ISVTX = 0o1000;
const NS_PER_SECOND = 1_000_000_000n;
const YEAR_1 = -62_135_596_800;
const YEAR_10000 = 253_402_300_800;

/** What is known of a file whose entry is wanted. */
export interface KnownFile {
  stats: FileStats;
  mayHaveMetadata: boolean | Promise<boolean>;
}

/** Builds entries of what `access` may look at, asking for each account name and writing each mode once. Short-lived: one per call of a caller's. */
export class EntryReader {
  readonly access: FileAccess;
  readonly #users: Users;
  readonly #metadata: MetadataStore;
  readonly #owners = new Map<bigint, string>();
  readonly #groups = new Map<bigint, string>();
  readonly #permissions = new Map<bigint, string>();

  constructor(deps: { access: FileAccess; users: Users; metadata: MetadataStore }) {
    this.access = deps.access;
    this.#users = deps.users;
    this.#metadata = deps.metadata;
  }

  /** The entry at `path`. @throws the system error of lstat */
  async read(path: string): Promise<Entry> {
    const cached = this.#metadata.ifUpToDate(this.access.lstatCached(path), path);
    return this.describe(cached ?? (await this.access.lstat(path)), path, path);
  }

  /**
   * The entry that `stats` is of. `path` has its exact bytes, `shownPath` may not be able to hold them.
   * Answers at once unless it is a link or has metadata.
   */
  describe(stats: FileStats, shownPath: string, path: FilePath): Entry | Promise<Entry> {
    const mayHaveMetadata = isLink(stats) || this.#metadata.mayHaveAny(this.access, path, stats.dev);
    return this.describeKnown({ stats, mayHaveMetadata }, shownPath, path);
  }

  /** The same where it is known whether there may be metadata. */
  describeKnown(known: KnownFile, shownPath: string, path: FilePath): Entry | Promise<Entry> {
    const { stats, mayHaveMetadata } = known;
    if (isLink(stats)) return this.#describeLink(stats, shownPath, path);
    const entry = this.#entry(stats, shownPath, { target: stats, symlinkTarget: undefined });
    return mayHaveMetadata === false ? entry : this.#withMetadata(entry, path, stats.dev);
  }

  async #describeLink(stats: FileStats, shownPath: string, path: FilePath): Promise<Entry> {
    const [target, symlinkTarget] = await Promise.all([this.#follow(path), this.#resolve(path, shownPath)]);
    const entry = this.#entry(stats, shownPath, { target, symlinkTarget });
    return target ? this.#withMetadata(entry, path, target.dev) : entry;
  }

  async #withMetadata(entry: Entry, path: FilePath, dev: bigint): Promise<Entry> {
    return { ...entry, metadata: await this.#metadata.read(this.access, path, dev) };
  }

  #entry(
    stats: FileStats,
    path: string,
    link: { target: FileStats | undefined; symlinkTarget: string | undefined },
  ): Entry {
    return {
      name: posix.basename(path) || "/",
      type: link.target ? typeOf(link.target) : "other",
      path,
      sizeBytes: Number(stats.size),
      mode: Number(link.target?.mode ?? 0) & 0o777,
      ownMode: Number(stats.mode),
      linkCount: Number(stats.nlink),
      permissions: this.#permissionsOf(stats.mode),
      owner: this.#owner(stats.uid),
      group: this.#group(stats.gid),
      modifiedTime: fileTime(stats.mtimeNs),
      symlinkTarget: link.symlinkTarget,
      metadata: {},
    };
  }

  /** What a link leads to in the end; undefined when that is nothing. */
  async #follow(path: FilePath): Promise<FileStats | undefined> {
    try {
      return await this.access.stat(path);
    } catch {
      return undefined; // dangling, cyclic or out of reach: all the same to callers
    }
  }

  async #resolve(path: FilePath, shownPath: string): Promise<string> {
    try {
      return await this.access.realPath(path);
    } catch {
      return shownPath; // what the contract says of links that lead nowhere
    }
  }

  #permissionsOf(mode: bigint): string {
    const known = this.#permissions.get(mode) ?? permissionsText(Number(mode));
    this.#permissions.set(mode, known);
    return known;
  }

  #owner(uid: bigint): string {
    const known = this.#owners.get(uid) ?? this.#users.userName(Number(uid));
    this.#owners.set(uid, known);
    return known;
  }

  #group(gid: bigint): string {
    const known = this.#groups.get(gid) ?? this.#users.groupName(Number(gid));
    this.#groups.set(gid, known);
    return known;
  }
}

/** What is known of an entry whose details may not be looked at. */
export function bareEntry(path: string, type: EntryType): Entry {
  const name = posix.basename(path);
  const nothing = {
    sizeBytes: 0,
    mode: 0,
    ownMode: 0,
    linkCount: 0,
    permissions: "",
    owner: "",
    group: "",
    metadata: {},
  };
  return { name, type, path, ...nothing, modifiedTime: undefined, symlinkTarget: undefined };
}

function typeOf(stats: FileStats): EntryType {
  return isRegular(stats) ? "file" : isDirectory(stats) ? "directory" : "other";
}

/** Undefined for no time at all, and for years that the wire format has no digits for. */
function fileTime(ns: bigint): FileTime | undefined {
  const nanoseconds = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const seconds = Number((ns - nanoseconds) / NS_PER_SECOND);
  if (ns === 0n || seconds < YEAR_1 || seconds >= YEAR_10000) return undefined;
  return { seconds, nanoseconds: Number(nanoseconds) };
}

/** Letters of a mode, in the order of the wire contract: `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`, `Dcrw-rw-rw-`. */
export function permissionsText(mode: number): string {
  const kind = mode & S_IFMT;
  let letters = "";
  if (kind === S_IFDIR) letters += "d";
  if (kind === S_IFLNK) letters += "L";
  if (kind === S_IFBLK || kind === S_IFCHR) letters += "D";
  if (kind === S_IFIFO) letters += "p";
  if (kind === S_IFSOCK) letters += "S";
  if ((mode & S_ISUID) !== 0) letters += "u";
  if ((mode & S_ISGID) !== 0) letters += "g";
  if (kind === S_IFCHR) letters += "c";
  if ((mode & S_ISVTX) !== 0) letters += "t";
  const bits = "rwxrwxrwx".replaceAll(/./g, (letter, index: number) =>
    (mode & (0o400 >> index)) === 0 ? "-" : letter,
  );
  return (letters || "-") + bits;
}
