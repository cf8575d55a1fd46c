import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import { errnoName, errnoText, SandboxError } from "../errors.ts";
import { copyTree } from "./copy.ts";
import { fileError, isMissing } from "./failures.ts";
import type { Place } from "./place.ts";
import { removeTree } from "./remove.ts";
import { isDirectory, lstat } from "./stats.ts";

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

/**
 * Moves what is at `source` to `destination`, replacing a file there, never a directory. Over the border of a file system it is copied,
 * put in place whole, and removed at its old place.
 * @throws SandboxError not_found, already_exists, failed_precondition (a directory into itself, …), permission_denied, internal
 */
export async function movePlace(
  source: Place,
  destination: Place,
  options: { shown: string; signal?: AbortSignal | undefined },
): Promise<void> {
  if (await holdsDirectory(destination)) throw refusal("already_exists", "file exists", options.shown);
  try {
    return await rename(source.path, destination.path);
  } catch (error) {
    if (errnoName(error) !== "EXDEV") throw moveError(error, options.shown);
  }
  await checkNotInside(source, destination, options.shown);
  try {
    await moveAcross(source, destination, options.signal);
  } catch (error) {
    throw moveError(error, options.shown);
  }
}

async function holdsDirectory(place: Place): Promise<boolean> {
  try {
    return isDirectory(await lstat(place.path));
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

async function moveAcross(source: Place, destination: Place, signal: AbortSignal | undefined): Promise<void> {
  const { directory } = destination;
  const name = `.guestd-${randomBytes(8).toString("hex")}`;
  try {
    await copyTree({ directory: source.directory, name: source.name }, { directory, name }, signal);
    await rename(directory.child(name), destination.path);
  } catch (error) {
    await removeTree(directory, name).catch(() => undefined); // the error that led here is the one to tell
    throw error;
  }
  try {
    await removeTree(source.directory, source.name);
  } catch (error) {
    throw fileError(error, "error renaming: copied, but not all of the source could be removed");
  }
}

function moveError(error: unknown, shown: string): unknown {
  const name = errnoName(error);
  if (name === undefined) return error;
  const code = REFUSALS[name];
  return code ? refusal(code, errnoText(error), shown, error) : fileError(error, `error renaming: rename ${shown}`);
}

function refusal(
  code: "already_exists" | "failed_precondition" | "not_found",
  why: string,
  shown: string,
  cause?: unknown,
): SandboxError {
  const what = code === "not_found" ? "source file not found" : "error renaming";
  return new SandboxError(code, `${what}: rename ${shown}: ${why}`, { cause });
}
