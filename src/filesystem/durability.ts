import { constants } from "node:fs";
import { OWN_FILE_ACCESS } from "../host/own-file-access.ts";
import { fileError } from "./failures.ts";
import type { Place } from "./place.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/*
 * Syncing asks for no right but to open what it is about. Who may write there may not be allowed to read: it is opened with guestd's rights.
 */

/** Resolves when the disk has the content of the file at `path`; a link is not followed. @throws SandboxError */
export async function syncFile(path: string): Promise<void> {
  await sync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

/**
 * Resolves when the disk has the names of what is at `place`, and of the last `newDirectories` directories above it.
 * @throws SandboxError
 */
export async function syncPlace(place: Place, newDirectories: number): Promise<void> {
  for (let level = 0; level <= newDirectories; level += 1) {
    await sync(place.directory.self + "/..".repeat(level), O_RDONLY | O_DIRECTORY);
  }
}

async function sync(path: string, flags: number): Promise<void> {
  try {
    await using file = await OWN_FILE_ACCESS.open(path, flags);
    await file.sync();
  } catch (error) {
    throw fileError(error, "written, but not known to be on the disk");
  }
}
