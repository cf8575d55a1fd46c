import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder with guestd's `package.json` and `dist`: above the sources as well as above the bundle, whatever its pieces are called. */
export const PACKAGE_ROOT = folderOfPackage(import.meta.dirname);

function folderOfPackage(folder: string): string {
  if (existsSync(join(folder, "package.json")) || folder === dirname(folder)) return folder;
  return folderOfPackage(dirname(folder));
}
