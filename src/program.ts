import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { constants, Script } from "node:vm";

/* How the bundle is run: as a script of its own, since Node offers no other way to hand V8 what it compiled of it before. */

/** The bundle of `main.ts`. */
const PROGRAM = "guestd.js";
/** What V8 had compiled of it when a daemon that was started for the build answered. */
export const CODE_CACHE = "guestd.code-cache";

type Run = (require: NodeJS.Require, folder: string) => void;

/**
 * Compiles the bundle in `folder`; with `cache`, only what is not in that. V8 refuses the cache of another version, other flags or
 * another bundle: then all is compiled as if there were none.
 */
export function compileProgram(folder: string, cache?: Buffer): Script {
  const filename = join(folder, PROGRAM);
  const source = readFileSync(filename, "utf8");
  // The first line goes before the bundle's own, so that lines in stack traces are right.
  return new Script(`(function (require, __dirname) {${source}\n})`, {
    filename,
    cachedData: cache,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

export function runProgram(script: Script, folder: string): void {
  const run = script.runInThisContext() as Run;
  run(createRequire(join(folder, PROGRAM)), folder);
}
