import type { FileAccess } from "../host/file-access.ts";
import { IN, type InotifyRecord } from "../host/inotify.ts";
import { type Change, exactPath, type GapReason } from "./types.ts";

/** Who is told of a tree's changes. */
export interface TreeListener {
  changed(change: Change): void;
  /** Changes were lost. */
  lost(): void;
  /** A directory that the kernel does not watch for us. */
  gap(name: string, reason: GapReason): void;
  /** Nothing more will be told. */
  failed(error: unknown): void;
}

/** One directory that is watched, alone or with everything below. */
export class WatchedTree {
  readonly root: WatchedDirectory;
  readonly rootPath: Buffer;
  readonly isRecursive: boolean;
  readonly access: FileAccess;
  readonly listener: TreeListener;
  isClosed = false;

  constructor(options: { path: string; isRecursive: boolean; access: FileAccess; listener: TreeListener }) {
    this.rootPath = Buffer.from(options.path === "/" ? "" : options.path);
    this.isRecursive = options.isRecursive;
    this.access = options.access;
    this.listener = options.listener;
    this.root = new WatchedDirectory(this, undefined, "");
  }

  /** Exact path of a directory in the tree. */
  pathOf(directory: WatchedDirectory): Buffer {
    const path = exactPath(this.rootPath, directory.nameOf());
    return path.length === 0 ? Buffer.from("/") : path;
  }

  /** Tells what `record` says of an entry of `directory`. What a scan has told already is not told twice. */
  tellEntry(directory: WatchedDirectory, record: InotifyRecord, from?: string): void {
    const { mask } = record;
    const name = directory.nameOf(record.name);
    const tell = (type: Change["type"]): void => this.listener.changed({ type, name });
    if ((mask & (IN.CREATE | IN.MOVED_TO)) !== 0 && !directory.fresh?.delete(record.name)) {
      this.listener.changed(from === undefined ? { type: "create", name } : { type: "create", name, from });
    }
    if ((mask & (IN.DELETE | IN.MOVED_FROM)) !== 0) directory.fresh?.delete(record.name);
    if ((mask & IN.MOVED_FROM) !== 0) tell("rename");
    if ((mask & IN.ATTRIB) !== 0) tell("chmod");
    if ((mask & IN.MODIFY) !== 0) tell("write");
    if ((mask & IN.DELETE) !== 0) tell("remove");
  }

  /** Tells what happened to the root itself; whether that was its end. */
  tellRoot({ mask }: InotifyRecord): boolean {
    const tell = (type: Change["type"]): void => this.listener.changed({ type, name: "." });
    if ((mask & IN.MOVE_SELF) !== 0) tell("rename");
    if ((mask & IN.ATTRIB) !== 0) tell("chmod");
    if ((mask & (IN.DELETE_SELF | IN.UNMOUNT)) !== 0) tell("remove");
    return (mask & (IN.MOVE_SELF | IN.DELETE_SELF | IN.UNMOUNT)) !== 0;
  }
}

/** A directory in a watched tree. Its place is where its parents say, so that a move is one step however much is below. */
export class WatchedDirectory {
  readonly tree: WatchedTree;
  parent: WatchedDirectory | undefined;
  /** Latin-1. */
  name: string;
  /** Number of its kernel watch; undefined while it has none. */
  watch: number | undefined;
  readonly children = new Map<string, WatchedDirectory>();
  /** Names that a scan has told of while the kernel's records of their creation may still be on their way. */
  fresh: Set<string> | undefined;
  /** It was looked for where it is said to be, and something else was there or nothing: a record on its way says where it is. */
  isAstray = false;

  constructor(tree: WatchedTree, parent: WatchedDirectory | undefined, name: string) {
    this.tree = tree;
    this.parent = parent;
    this.name = name;
  }

  /** The last one up: the tree's root, or what was moved away and has not turned up again. */
  get top(): WatchedDirectory {
    return this.parent?.top ?? this;
  }

  get isInTree(): boolean {
    return !this.tree.isClosed && this.top === this.tree.root;
  }

  /** Whether it has its watch in the right place, and everything that had happened when it got it was told. */
  get isSettled(): boolean {
    return this.watch !== undefined && this.fresh === undefined && !this.isAstray;
  }

  /** Name of an entry, relative to the root; of the directory itself without one. */
  nameOf(entry = ""): string {
    const above = this.parent ? this.parent.nameOf(this.name) : "";
    return above && entry ? `${above}/${entry}` : above || entry || ".";
  }

  /** The child of that name, made if there is none. */
  child(name: string): WatchedDirectory {
    const known = this.children.get(name);
    if (known) return known;
    const child = new WatchedDirectory(this.tree, this, name);
    this.children.set(name, child);
    return child;
  }

  /** Takes it out of its parent. */
  detach(): void {
    if (this.parent?.children.get(this.name) === this) this.parent.children.delete(this.name);
    this.parent = undefined;
  }

  attach(parent: WatchedDirectory, name: string): void {
    this.parent = parent;
    this.name = name;
    parent.children.set(name, this);
  }

  /** Itself and everything below. */
  *all(): Generator<WatchedDirectory> {
    yield this;
    for (const child of this.children.values()) yield* child.all();
  }
}
