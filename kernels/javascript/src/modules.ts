import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { constants, Script } from "node:vm";

type Import = (specifier: string, options?: ImportCallOptions) => Promise<unknown>;

/** Names that rewritten cells call; long enough that nobody else has them. */
export const IMPORT = "__guestd_import";
export const IMPORTED = "__guestd_imported";
export const IMPORT_META = "__guestd_import_meta";

interface Loader {
  cwd: string;
  require: NodeJS.Require;
  import: Import;
}

/** Gives cells `require`, `import` and what CommonJS files have, all relative to the working directory of the moment. */
export function installModules(): void {
  let loader: Loader | undefined;
  const current = (): Loader => {
    const cwd = process.cwd();
    if (loader?.cwd !== cwd) loader = createLoader(cwd);
    return loader;
  };
  defineHidden("require", () => current().require);
  defineHidden("__filename", () => join(process.cwd(), "cell.js"));
  defineHidden("__dirname", () => process.cwd());
  const module = { exports: {} };
  defineHidden("module", () => module);
  defineHidden("exports", () => module.exports);
  const importModule: Import = (specifier, options) => current().import(specifier, options);
  defineHidden(IMPORT, () => importModule);
  Object.defineProperty(globalThis, IMPORTED, { value: undefined, writable: true, enumerable: false });
  defineHidden(IMPORT_META, () => importMeta(current()));
}

/** A global that does not show among the user's, and that a cell may overwrite. */
export function defineHidden(name: string, get: () => unknown): void {
  const set = (value: unknown): void =>
    void Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  Object.defineProperty(globalThis, name, { get, set, configurable: true, enumerable: false });
}

function createLoader(cwd: string): Loader {
  // A script of its own, because code that the inspector evaluates has no loader.
  const script = new Script("(specifier, options) => import(specifier, options)", {
    filename: join(cwd, "cell.mjs"),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  return { cwd, require: createRequire(join(cwd, "cell.js")), import: script.runInThisContext() as Import };
}

function importMeta(loader: Loader): Record<string, unknown> {
  const filename = join(loader.cwd, "cell.mjs");
  const resolve = (specifier: string): string => {
    const found = loader.require.resolve(specifier);
    return found.startsWith("/") ? pathToFileURL(found).href : found;
  };
  return { url: pathToFileURL(filename).href, filename, dirname: loader.cwd, resolve };
}
