import { chmodSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Makes the directory for what guestd keeps while it runs, at `wanted` or in the temporary one. Only guestd lists it, but other
 * users reach what they may read in it by name: kernels run from there. Whoever asked for it removes it.
 * @throws the system error of mkdir or chmod
 */
export function makeStateDirectory(wanted?: string): string {
  const directory = wanted ?? mkdtempSync(join(tmpdir(), "guestd-"));
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o711);
  return directory;
}
