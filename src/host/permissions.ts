import { chmodSync, cpSync, readdirSync, rmSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Identity } from "./users.ts";

const READ = 0b100;
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
  const isDirectory = lookAt(path)?.isDirectory() ?? false;
  return isDirectory && canReach(user, join(path, "entry"));
}

/** Whether `user` can read everything in `folder`, and gets there. */
export function canReadAll(user: Identity, folder: string): boolean {
  return user.uid === 0 || (canReach(user, folder) && canReadBelow(user, folder));
}

function canReadBelow(user: Identity, path: string): boolean {
  const stat = lookAt(path);
  if (!stat?.isDirectory()) return stat !== undefined && has(user, stat, READ);
  return has(user, stat, READ | EXECUTE) && readdirSync(path).every((name) => canReadBelow(user, join(path, name)));
}

function canEnter(user: Identity, folder: string): boolean {
  const stat = lookAt(folder);
  return stat !== undefined && has(user, stat, EXECUTE);
}

function has(user: Identity, stat: Stats, bits: number): boolean {
  const shift = stat.uid === user.uid ? 6 : user.groups.includes(stat.gid) ? 3 : 0;
  return ((stat.mode >> shift) & bits) === bits;
}

/** Undefined for what is not there, and for what not even we can look at (a loop of links, a name too long). */
function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // whatever the reason: nobody gets in by this path
  }
}

/** Copies a folder to where everybody can read it; an existing copy is replaced. */
export function copyReadable(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, preserveTimestamps: true, dereference: true });
  makeReadable(to);
}

function makeReadable(path: string): void {
  const stat = statSync(path);
  chmodSync(path, stat.mode | 0o444 | (stat.isDirectory() ? 0o111 : 0));
  if (!stat.isDirectory()) return;
  for (const name of readdirSync(path)) makeReadable(join(path, name));
}
