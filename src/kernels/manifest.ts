import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SandboxError } from "../errors.ts";

/** One language that a kernel serves. */
export interface LanguageSpec {
  name: string;
  aliases: readonly string[];
  /** Gets a context when the daemon starts. */
  isDefault: boolean;
  args: readonly string[];
}

/** When a kernel is kept ready for the next context. */
export type SparePolicy = "never" | "afterUse" | "always";

/** A kernel's `kernel.json`; `kernels/PROTOCOL.md` §1 says what the members mean. */
export interface Manifest {
  /** Name of its folder. */
  kernel: string;
  folder: string;
  languages: readonly LanguageSpec[];
  interpreters: readonly string[];
  probe: readonly string[];
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  textUnits: "writes" | "lines";
  /** The command of what forks kernels; empty where nothing does. */
  forkServer: readonly string[];
  /** Variables (`NAME` or `PREFIX*`) that only count when a kernel or fork server starts. */
  coldVariables: readonly string[];
  spares: SparePolicy;
  fix: string;
}

/** The manifests of all kernels in `folder`, in order of their names. @throws SandboxError for one that cannot be read */
export function readManifests(folder: string): Manifest[] {
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return entries
    .map(({ name }) => name)
    .toSorted()
    .flatMap((name) => {
      const manifest = readManifest(join(folder, name), name);
      return manifest ? [manifest] : [];
    });
}

function readManifest(folder: string, kernel: string): Manifest | undefined {
  const file = join(folder, "kernel.json");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined; // a folder without a manifest is no kernel
  }
  try {
    return parseManifest(JSON.parse(text), kernel, folder);
  } catch (error) {
    throw new SandboxError("internal", `${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function parseManifest(json: unknown, kernel: string, folder: string): Manifest {
  const members = record(json, "the manifest");
  const languages = array(members["languages"], "languages").map((item) => {
    const language = record(item, "a language");
    return {
      name: nonEmpty(language["name"], "name"),
      aliases: strings(language["aliases"] ?? [], "aliases"),
      isDefault: language["isDefault"] === true,
      args: strings(language["args"] ?? [], "args"),
    };
  });
  const textUnits = members["textUnits"] ?? "writes";
  if (textUnits !== "writes" && textUnits !== "lines") throw new Error(`textUnits must be "writes" or "lines"`);
  const spares = members["spares"] ?? "never";
  if (spares !== "never" && spares !== "afterUse" && spares !== "always")
    throw new Error(`spares must be "never", "afterUse" or "always"`);
  const env = Object.entries(record(members["env"] ?? {}, "env"));
  return {
    kernel,
    folder,
    languages,
    interpreters: strings(members["interpreters"], "interpreters"),
    probe: strings(members["probe"], "probe"),
    command: strings(members["command"], "command"),
    env: Object.fromEntries(env.map(([name, value]) => [name, string(value, `env.${name}`)])),
    textUnits,
    forkServer: strings(members["forkServer"] ?? [], "forkServer"),
    coldVariables: strings(members["coldVariables"] ?? [], "coldVariables"),
    spares,
    fix: nonEmpty(members["fix"], "fix"),
  };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${what} must be an object`);
}

function array(value: unknown, what: string): unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new Error(`${what} must be a list with members`);
}

function strings(value: unknown, what: string): string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw new Error(`${what} must be a list of strings`);
}

function string(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw new Error(`${what} must be a string`);
}

function nonEmpty(value: unknown, what: string): string {
  if (value !== "") return string(value, what);
  throw new Error(`${what} must be a string with something in it`);
}
