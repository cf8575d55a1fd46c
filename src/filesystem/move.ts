import { errnoName, errnoText, SandboxError } from "../errors.ts";
import { type CopyOptions, copyTree } from "./copy.ts";
import { fileError, isMissing } from "./failures.ts";
import type { Place } from "./place.ts";
import { removeTree } from "./remove.ts";
import { temporaryName } from "./staged-file.ts";
import { isDirectory } from "./stats.ts";

/** Why a rename was refused, for the ones that are a matter of what is where. */
const REFUSALS: Readonly<Record<string, "already_exists" | "failed_precondition" | "not_found">> = {
  EEXIST: "already_exists",
  ENOTEMPTY: "already_exists",
  EINVAL: "failed_precondition",
  ENOTDIR: "failed_precondition",
  EISDIR: "failed_precondition",
  EBUSY: "failed_precondition",
  ENOENT: "not_found",
};

/** What both moving and copying to another place need to know. */
export interface PlacingOptions extends CopyOptions {
  /** What is done, with both paths, for messages: `rename /a /b`. */
  shown: string;
  /** Whether a file at the destination is replaced; true unless given. A directory never is. */
  mayReplace?: boolean;
}

/**
 * Moves what is at `source` to `destination`, replacing a file there, never a directory. Over the border of a file system it is copied,
 * put in place whole, and removed at its old place.
 * @throws SandboxError not_found, already_exists, failed_precondition (a directory into itself, …), permission_denied, internal
 */
export async function movePlace(source: Place, destination: Place, options: PlacingOptions): Promise<void> {
  if (await holdsDirectory(destination)) throw refusal("already_exists", "file exists", options.shown);
  try {
    return await renameTo(source.path, destination, options);
  } catch (error) {
    if (errnoName(error) !== "EXDEV") throw moveError(error, options.shown);
  }
  await copyPlace(source, destination, options);
  try {
    await removeTree(source.directory, source.name);
  } catch (error) {
    throw fileError(error, "error renaming: copied, but not all of the source could be removed");
  }
}

/**
 * Copies what is at `source`, with everything in it, to `destination`, where it is whole from the moment that it is there.
 * @throws as {@link movePlace}
 */
export async function copyPlace(source: Place, destination: Place, options: PlacingOptions): Promise<void> {
  if (await holdsDirectory(destination)) throw refusal("already_exists", "file exists", options.shown);
  await checkNotInside(source, destination, options.shown);
  const { directory } = destination;
  const name = temporaryName();
  try {
    await copyTree({ directory: source.directory, name: source.name }, { directory, name }, options);
    await renameTo(directory.child(name), destination, options);
  } catch (error) {
    await removeTree(directory, name).catch(() => undefined); // the error that led here is the one to tell
    throw moveError(error, options.shown);
  }
}

/** Where a file system cannot tell in one step whether a name is free, a file that comes in the same moment is replaced. */
async function renameTo(from: string, place: Place, { mayReplace = true, shown }: PlacingOptions): Promise<void> {
  const { access, path: to } = place;
  if (mayReplace) return access.rename(from, to);
  try {
    return await access.renameExclusively(from, to);
  } catch (error) {
    if (errnoName(error) !== "EINVAL") throw error;
  }
  if (await isThere(place)) throw refusal("already_exists", "file exists", shown);
  await access.rename(from, to);
}

async function isThere({ access, path }: Place): Promise<boolean> {
  try {
    await access.lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function holdsDirectory(place: Place): Promise<boolean> {
  try {
    return isDirectory(await place.access.lstat(place.path));
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError(error, "error renaming");
  }
}

/** A copy would find itself in what it copies. */
async function checkNotInside(source: Place, destination: Place, shown: string): Promise<void> {
  const [from, to] = await Promise.all([source.directory.path(), destination.directory.path()]);
  const tree = `${from === "/" ? "" : from}/${source.name}`;
  if (to === tree || to.startsWith(`${tree}/`)) throw refusal("failed_precondition", "invalid argument", shown);
}

function moveError(error: unknown, shown: string): unknown {
  const name = errnoName(error);
  if (name === undefined) return error;
  const code = REFUSALS[name];
  return code ? refusal(code, errnoText(error), shown, error) : fileError(error, `${failed(shown)}: ${shown}`);
}

function refusal(
  code: "already_exists" | "failed_precondition" | "not_found",
  why: string,
  shown: string,
  cause?: unknown,
): SandboxError {
  const what = code === "not_found" ? "source file not found" : failed(shown);
  return new SandboxError(code, `${what}: ${shown}: ${why}`, { cause });
}

function failed(shown: string): string {
  return shown.startsWith("copy ") ? "error copying" : "error renaming";
}
