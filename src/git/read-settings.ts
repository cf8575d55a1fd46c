export type Scope = "system" | "global" | "local" | "worktree";

/** One value of a key; of several the last one counts, unless the key is a list. */
export interface Setting {
  key: string;
  /** `true` for a key that stands alone. */
  value: string;
  /** Of the machine, the user, the repository, or one of its work trees. */
  scope: Scope;
}

export const SETTINGS = ["config", "--null", "--show-scope", "--includes", "--list"];

/** Reads what {@link SETTINGS} answers, in git's order; without what was set for this call alone. */
export function readSettings(output: string): Setting[] {
  const parts = output.split("\0");
  const settings: Setting[] = [];
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const [scope = "", entry = ""] = [parts[index], parts[index + 1]];
    if (scope === "command") continue;
    const end = entry.indexOf("\n");
    const [key, value] = end < 0 ? [entry, "true"] : [entry.slice(0, end), entry.slice(end + 1)];
    settings.push({ key, value, scope: scope as Scope });
  }
  return settings;
}

/** A key as git lists it: only what stands between the first and the last dot has capital letters. */
export function listedKey(key: string): string {
  const [first, last] = [key.indexOf("."), key.lastIndexOf(".")];
  return key.slice(0, first).toLowerCase() + key.slice(first, last) + key.slice(last).toLowerCase();
}
