import { readFileSync } from "node:fs";
import { errnoName, errnoText } from "./errors.ts";

/** Where images put settings. */
export const CONFIG_FILE = "/etc/guestd.json";

/**
 * Settings of a file: an object with the names of flags, without their dashes in front. A missing file is none if it `isOptional`.
 * Those in `maps` are objects themselves, and come as `NAME=VALUE`.
 * @throws Error that says what is wrong with it
 */
export function readConfigFile(
  path: string,
  { isOptional, maps }: { isOptional: boolean; maps: ReadonlySet<string> },
): Record<string, string | string[]> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (isOptional && (errnoName(error) === "ENOENT" || errnoName(error) === "ENOTDIR")) return {};
    throw new Error(`${path} cannot be read: ${errnoText(error)}`, { cause: error });
  }
  const settings = parse(text, path);
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    throw new Error(`${path} must hold an object, as {"start-cmd": "…"}`);
  }
  const read = (name: string, value: unknown): string | string[] =>
    maps.has(name) ? mapOf(name, value, path) : settingOf(name, value, path);
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, read(name, value)]));
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The parser's own words quote what is around the fault, and values may be secrets.
    const [, place = ""] = /(at position \d+(?: \(line \d+ column \d+\))?)/.exec(String(error)) ?? [];
    // oxlint-disable-next-line preserve-caught-error -- as a cause they would be shown all the same
    throw new Error(`${path} is not JSON ${place}`.trim());
  }
}

const isPlain = (item: unknown): boolean => ["string", "number", "boolean"].includes(typeof item);

function mapOf(name: string, value: unknown, path: string): string[] {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  const entries = isMap ? Object.entries(value) : [];
  if (isMap && entries.every(([key, item]) => !key.includes("=") && isPlain(item))) {
    return entries.map(([key, item]) => `${key}=${item}`);
  }
  throw new Error(`${path}: ${JSON.stringify(name)} must be an object of names and values`);
}

function settingOf(name: string, value: unknown, path: string): string | string[] {
  if (Array.isArray(value) && value.every(isPlain)) return value.map(String);
  if (isPlain(value)) return String(value);
  throw new Error(`${path}: ${JSON.stringify(name)} must be a text, a number, true, false or a list of them`);
}
