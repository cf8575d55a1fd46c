import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder with guestd's `package.json` and `dist`: above the sources as well as above the bundle, whatever its pieces are called. */
export const PACKAGE_ROOT = folderOfPackage(import.meta.dirname);

function folderOfPackage(folder: string): string {
  if (existsSync(join(folder, "package.json")) || folder === dirname(folder)) return folder;
  return folderOfPackage(dirname(folder));
}

/** What helps when a part of guestd itself is missing: an artefact has its launcher in it, a checkout its sources. */
export const INSTALL_AGAIN = existsSync(join(PACKAGE_ROOT, "bin", "guestd"))
  ? "copy the artefact's whole folder again"
  : "npm ci && npm run build, with python3, make and g++ installed";
