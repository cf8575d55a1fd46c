import { KeyedLocks, type Turn } from "../lib/keyed-locks.ts";
import type { Place } from "./place.ts";

/**
 * Whose turn it is to change a file: by the place of its name, and by the file itself, which may have several names.
 * Who takes both takes the name's first. Shared by everything that writes.
 */
export class FileLocks {
  readonly #locks = new KeyedLocks();

  /** For what `place` names, whether it is there or not. The place's directory exists. */
  async ofName(place: Place): Promise<Turn> {
    const { dev, ino } = await place.directory.identity();
    return this.#locks.lock(`${dev}:${ino}/${place.name}`);
  }

  /** For one file, whatever its names. */
  ofFile({ dev, ino }: { dev: bigint; ino: bigint }): Promise<Turn> {
    return this.#locks.lock(`${dev}:${ino}`);
  }
}
