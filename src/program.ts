import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { constants, Script } from "node:vm";
import { openCodeCache, sealCodeCache } from "./code-cache.ts";

/* How the bundle is run: as a script of its own, since Node offers no other way to hand V8 what it compiled of it before. */

/** The bundle of `main.ts`. */
const PROGRAM = "guestd.js";
/** What V8 had compiled of it when a daemon that was started for the build answered. */
export const CODE_CACHE = "guestd.code-cache";

type Run = (require: NodeJS.Require, folder: string) => void;

/**
 * Compiles the bundle in `folder`; with `cacheFile`, only what is not in that. When it is broken or of another bundle, and when V8
 * refuses it, being of another version or for other flags, all is compiled as if there were none.
 */
export function compileProgram(folder: string, cacheFile?: Buffer): Script {
  const filename = join(folder, PROGRAM);
  const bundle = readFileSync(filename);
  const source = bundle.toString("utf8");
  // The first line goes before the bundle's own, so that lines in stack traces are right.
  return new Script(`(function (require, __dirname) {${source}\n})`, {
    filename,
    cachedData: cacheFile && openCodeCache(cacheFile, bundle),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

export function runProgram(script: Script, folder: string): void {
  const run = script.runInThisContext() as Run;
  run(createRequire(join(folder, PROGRAM)), folder);
}

/** What is to be in the file that `compileProgram` takes, once the program has answered. */
export function codeCacheOf(script: Script, folder: string): Buffer {
  return sealCodeCache(script.createCachedData(), readFileSync(join(folder, PROGRAM)));
}
