import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder with guestd's `package.json` and `dist`: above the sources as well as above the bundle, which has a `package.json` too. */
export const PACKAGE_ROOT = folderOfPackage(import.meta.dirname);

function folderOfPackage(folder: string): string {
  const isIt = ["package.json", "dist"].every((name) => existsSync(join(folder, name)));
  if (isIt || folder === dirname(folder)) return folder;
  return folderOfPackage(dirname(folder));
}

/** What helps when a part of guestd itself is missing: an artefact has its launcher in it, a checkout its sources. */
export const INSTALL_AGAIN = existsSync(join(PACKAGE_ROOT, "bin", "guestd"))
  ? "copy the artefact's whole folder again"
  : "npm ci && npm run build, with python3, make and g++ installed";
