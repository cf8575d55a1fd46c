import { chmodSync, cpSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Identity } from "./users.ts";

const EXECUTE = 0b001;

/** Whether `user` can enter every folder on the way to `path`, by owner, group and mode. Does not know access control lists. */
export function canReach(user: Identity, path: string): boolean {
  if (user.uid === 0) return true;
  const folders: string[] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    folders.push(folder);
    if (folder === dirname(folder)) break;
  }
  return folders.every((folder) => canEnter(user, folder));
}

/** Whether `path` is a directory in which a program of `user` can start. */
export function canEnterDirectory(user: Identity, path: string): boolean {
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isDirectory && canReach(user, join(path, "entry"));
}

function canEnter(user: Identity, folder: string): boolean {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (!stat) return false;
  const shift = stat.uid === user.uid ? 6 : user.groups.includes(stat.gid) ? 3 : 0;
  return ((stat.mode >> shift) & EXECUTE) !== 0;
}

/** Copies a folder to where everybody can read it; an existing copy is replaced. */
export function copyReadable(from: string, to: string): void {
  cpSync(from, to, { recursive: true, force: true, preserveTimestamps: true, dereference: true });
  makeReadable(to);
}

function makeReadable(path: string): void {
  const stat = statSync(path);
  chmodSync(path, stat.mode | 0o444 | (stat.isDirectory() ? 0o111 : 0));
  if (!stat.isDirectory()) return;
  for (const name of readdirSync(path)) makeReadable(join(path, name));
}
