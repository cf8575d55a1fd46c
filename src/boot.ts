import { readFileSync } from "node:fs";
import { join } from "node:path";
import { installPlainClasses } from "./edge/web/install.ts";
import { CODE_CACHE, compileProgram, runProgram } from "./program.ts";

/* `dist/main.js`: runs the bundle beside it. */

const folder = import.meta.dirname;
installPlainClasses();
runProgram(compileProgram(folder, readCache(join(folder, CODE_CACHE))), folder);

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // it only saves time
  }
}
