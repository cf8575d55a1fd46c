import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoName, fromErrno } from "../errors.ts";
import { makeDirectories } from "../lib/make-directories.ts";
import { isNetworkFileSystem } from "./mounts.ts";
import { emptyDirectory, faultWords, ifThere, selfOf } from "./remove-tree.ts";
import { holdLeftState, holdState, STATE_LOCK } from "./state-lock.ts";

/** The directory for what guestd keeps while it runs. Disposing removes it, and nothing else, within two seconds. */
export interface StateDirectory extends AsyncDisposable {
  path: string;
  /** The same for guestd's own calls: it stays this directory whatever somebody puts in the place of `path`. */
  self: string;
}

/** A directory that is open, and where it was found. */
interface OpenDirectory extends Disposable {
  path: string;
  fd: number;
}

/** Told of a directory that stays, or some of it, and why. */
export type OnKept = (path: string, why: string) => void;

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const PREFIX = "guestd-";
/** As mkdtemp makes it of {@link PREFIX}. */
const NAME = /^guestd-[A-Za-z0-9]{6}$/;
/** All that a daemon ends has to be over within five seconds. */
const END_MS = 2000;

/**
 * Makes a directory of a new name in `wanted` (which is made if need be) or in the temporary one. Only guestd lists it, but other
 * users reach what they may read in it by name: kernels run from there. It never fails to be disposed: `onKept` hears of what stays.
 * @throws SandboxError when it cannot be made
 */
export function makeStateDirectory(wanted?: string, onKept: OnKept = () => undefined): StateDirectory {
  const parent = wanted ?? tmpdir();
  const stack = new AsyncDisposableStack();
  try {
    if (makeDirectories(parent)) stack.defer(() => removeIfEmpty(parent, onKept));
    const directory = stack.use(openNew(mkdtempSync(join(parent, PREFIX))));
    const { path, fd } = directory;
    const lock = holdState(selfOf(fd));
    stack.defer(() => lock?.[Symbol.dispose]());
    fchmodSync(fd, 0o711);
    stack.defer(async () => {
      const why = await removeHeld(directory, AbortSignal.timeout(END_MS));
      if (why !== undefined) onKept(path, why);
    });
    return { path, self: selfOf(fd), [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    void stack.disposeAsync(); // never fails, as it is here
    throw fromErrno(error, `cannot keep anything in ${JSON.stringify(parent)} (see --state-dir)`);
  }
}

/**
 * The directories that daemons of this user made in `parent` and could not remove, since they were killed; nothing else, and nothing where a lock may be one of
 * this machine only. `visit` is called with each, as a path of the directory itself, while nobody else has it.
 */
export function findLeftState(parent: string, visit: (self: string) => void): string[] {
  try {
    if (isNetworkFileSystem(statfsSync(parent).type)) return [];
    const paths = readdirSync(parent).filter((name) => NAME.test(name));
    return paths.map((name) => join(parent, name)).filter((path) => visitLeft(path, visit));
  } catch {
    return []; // it is not there yet, or not to be read
  }
}

/**
 * Removes one of those that {@link findLeftState} has found; what cannot be removed stays, as does what is not removed when `signal` aborts.
 * @returns undefined when it is not left any more, else why something of it still is
 */
export async function removeLeftState(path: string, signal: AbortSignal): Promise<{ why?: string } | undefined> {
  using held = holdLeft(path);
  if (!held) return undefined;
  const why = await removeHeld(held, signal);
  return why === undefined ? {} : { why };
}

function visitLeft(path: string, visit: (self: string) => void): boolean {
  using held = holdLeft(path);
  try {
    if (held) visit(selfOf(held.fd));
  } catch {
    // Its record cannot be removed: nor can it itself, which is told when that is tried. The others are to be visited all the same.
  }
  return held !== undefined;
}

function holdLeft(path: string): OpenDirectory | undefined {
  let directory: OpenDirectory | undefined;
  try {
    directory = openDirectory(path);
    const { fd } = directory;
    const lock = isOwn(fd) ? holdLeftState(selfOf(fd)) : undefined;
    if (lock)
      return { path, fd, [Symbol.dispose]: () => [lock, directory].forEach((held) => held?.[Symbol.dispose]()) };
  } catch {
    // It is no directory, or not ours to open.
  }
  directory?.[Symbol.dispose]();
  return undefined;
}

/** One that was made just now. @throws the system error, or when somebody has put something else there meanwhile */
function openNew(path: string): OpenDirectory {
  const directory = openDirectory(path);
  if (isOwn(directory.fd) && readdirSync(selfOf(directory.fd)).length === 0) return directory;
  directory[Symbol.dispose]();
  throw new Error(`somebody has exchanged ${path}`);
}

function openDirectory(path: string): OpenDirectory {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return { path, fd, [Symbol.dispose]: () => closeSync(fd) };
}

function isOwn(fd: number): boolean {
  return fstatSync(fd).uid === process.geteuid?.();
}

/**
 * The lock goes last: what was not removed to the end can be told to be ours. The name goes by itself, if it still is that of an empty
 * directory.
 */
async function removeHeld({ path, fd }: OpenDirectory, signal: AbortSignal): Promise<string | undefined> {
  try {
    const why = await emptyDirectory(fd, { kept: STATE_LOCK, signal });
    if (why !== undefined) return why;
    ifThere(() => unlinkSync(join(selfOf(fd), STATE_LOCK)));
    ifThere(() => rmdirSync(path));
    return undefined;
  } catch (error) {
    return faultWords(error);
  }
}

/** Whoever has put something there meanwhile keeps it. */
function removeIfEmpty(directory: string, onKept: OnKept): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoName(error) ?? "")) onKept(directory, faultWords(error));
  }
}
