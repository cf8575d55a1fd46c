import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as code from "@e2b/code-interpreter";
import * as e2b from "e2b";
import { REPOSITORY } from "./daemon.ts";
import { pythonSdkFolder } from "./prepare-machine.ts";

/** Public methods and properties of an SDK by class: `sandbox.files.read` is `read` of `Filesystem`. */
export type Surface = ReadonlyMap<string, ReadonlySet<string>>;

type Class = { name: string; prototype: object } & object;

/** What every class and function has. */
const BUILT_IN = new Set(["length", "name", "prototype", "constructor"]);
/** How the SDKs reach a service, and what they throw; `E2B` only holds classes that are here by themselves, and so does `Template` what is in its base. */
const OTHER_CLASSES = /Error$|Exception$|^ApiClient$|ConnectionConfig$|^E2B$|^LogEntry|^(Async)?TemplateBase$/;
const DECLARATIONS = ["e2b", "@e2b/code-interpreter"].map((name) =>
  readFileSync(join(REPOSITORY, "node_modules", name, "dist", "index.d.ts"), "utf8"),
);
const CLASS = /^declare (?:abstract )?class (\w+)(?:<.*?>)?(?: extends (\w+)(?:\$\d)?)?.*?\{$(.*?)^\}/gms;
const HIDDEN =
  /^ {2}(?:\/\*\*(?:(?!\*\/).)*?@internal(?:(?!\*\/).)*?\*\/\s+(?:private |protected )?|(?:private|protected) )(static )?(?:readonly )?(?:get )?(\w+)/gms;

/**
 * Public names of the JavaScript packages, by class, found in their real classes and in `objects`, whose classes are not all
 * exported; without what the packages' declarations call private, protected or internal.
 */
export function javascriptSurface(objects: Readonly<Record<string, object>>): Surface {
  const exported = Object.entries({ ...e2b, ...code });
  const functions = exported.filter(([name, value]) => typeof value === "function" && /^[a-z]/.test(name));
  const classes = exported
    .filter(([name, value]) => typeof value === "function" && /^[A-Z]/.test(name) && !OTHER_CLASSES.test(name))
    .map(([name, value]): [string, string[]] => [name, membersOf(value as unknown as Class)]);
  const found = new Map([
    ...classes,
    ...Object.entries(objects).map(([name, object]): [string, string[]] => [
      name,
      [...membersOf(object.constructor as unknown as Class), ...Object.keys(object)],
    ]),
  ]);
  const names = functions.map(([name]) => name).filter((name) => name !== "default");
  return new Map([
    ...[...found].map(([name, members]) => {
      const hidden = hiddenMembers(name === "Template" ? "TemplateBase" : name);
      const shown = members.filter((member) => !hidden.has(member));
      return [name, new Set(shown.map((member) => member.replace("static ", "")))] as const;
    }),
    ["functions", new Set(names)],
  ]);
}

/** Public names of the Python packages, by class: the synchronous ones (`Sandbox`) and the asynchronous (`AsyncSandbox`). */
export function pythonSurface(): Surface {
  const python = join(pythonSdkFolder(REPOSITORY), "bin", "python");
  const script = join(REPOSITORY, "tests", "sdk", "python", "surface.py");
  const classes = JSON.parse(execFileSync(python, [script], { encoding: "utf8" })) as Record<string, string[]>;
  return new Map(
    Object.entries(classes)
      .filter(([name]) => !OTHER_CLASSES.test(name))
      .map(([name, members]) => [name, new Set(members)]),
  );
}

/** Versions that are installed, by `npm e2b`, `PyPI e2b` … */
export function packageVersions(): Record<string, string> {
  const npm = ["e2b", "@e2b/code-interpreter"].map((name) => {
    const file = join(REPOSITORY, "node_modules", name, "package.json");
    return [`npm ${name}`, (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version];
  });
  const python = join(pythonSdkFolder(REPOSITORY), "bin", "python");
  const pypi = ["e2b", "e2b-code-interpreter"].map((name) => {
    const script = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
    return [`PyPI ${name}`, execFileSync(python, ["-c", script, name], { encoding: "utf8" }).trim()];
  });
  return Object.fromEntries([...npm, ...pypi]) as Record<string, string>;
}

/** Names of a class and of what it inherits from (`static list`), and of their objects (`list`). */
function membersOf(one: Class): string[] {
  const names: string[] = [];
  const add = (from: object, kind: "" | "static "): void => {
    const own = Object.getOwnPropertyNames(from).filter((name) => !BUILT_IN.has(name));
    names.push(...own.map((name) => kind + name));
  };
  for (let at = one; at && at !== Function.prototype; at = Object.getPrototypeOf(at) as Class) {
    add(at, "static ");
    add(at.prototype, "");
  }
  return names;
}

/** What the declarations of a class, and of those that it extends, keep to themselves. */
function hiddenMembers(name: string): Set<string> {
  const hidden = new Set<string>();
  for (const declarations of DECLARATIONS) {
    for (const [, own, parent, body = ""] of declarations.matchAll(CLASS)) {
      if (own !== name) continue;
      for (const [, isStatic = "", member = ""] of body.matchAll(HIDDEN)) hidden.add(isStatic + member);
      if (parent && parent !== name) for (const member of hiddenMembers(parent)) hidden.add(member);
    }
  }
  return hidden;
}
