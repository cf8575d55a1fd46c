import { constants } from "node:fs";
import type { FileAccess } from "../host/file-access.ts";
import type { Place } from "./place.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/** Resolves when the disk has the file's content. */
export async function syncFile(access: FileAccess, path: string): Promise<void> {
  await using file = await access.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  await file.sync();
}

/** Resolves when the disk has the names of what is at `place`, and of the last `newDirectories` directories above it. */
export async function syncPlace(place: Place, newDirectories: number): Promise<void> {
  for (let level = 0; level <= newDirectories; level += 1) {
    await using directory = await place.access.open(place.directory.self + "/..".repeat(level), O_RDONLY | O_DIRECTORY);
    await directory.sync();
  }
}
