import type { ChangedFile, ChangeLetter, Head, Status } from "./types.ts";

/** What `git status` is asked for. */
export const STATUS = ["status", "--porcelain=v2", "--branch", "-z"] as const;

/** Fields before the path, with the letter that says which kind of entry it is. */
const FIELDS: Readonly<Record<string, number>> = { "1": 8, "2": 9, u: 10 };

/** Reads what {@link STATUS} answers: names are as they are, whatever is in them. */
export function readStatus(output: string): Status {
  const head: Head = { branch: null, commit: null, upstream: null, ahead: null, behind: null };
  const files: ChangedFile[] = [];
  const entries = output.split("\0");
  for (let index = 0; index < entries.length; index += 1) {
    const entry = entries[index] ?? "";
    if (entry.startsWith("# ")) readHeader(head, entry);
    else if (entry !== "") files.push(readEntry(entry, () => entries[(index += 1)] ?? ""));
  }
  return { ...head, files };
}

function readHeader(head: Head, line: string): void {
  const [, name = "", value = ""] = /^# branch\.(\w+) (.*)$/s.exec(line) ?? [];
  if (name === "oid") head.commit = value === "(initial)" ? null : value;
  if (name === "head") head.branch = value === "(detached)" ? null : value;
  if (name === "upstream") head.upstream = value;
  if (name !== "ab") return;
  const [ahead, behind] = value.split(" ").map((number) => Math.abs(Number(number)));
  Object.assign(head, { ahead, behind });
}

/** `next` takes the entry after this one: what a renamed file was. */
function readEntry(entry: string, next: () => string): ChangedFile {
  const kind = entry.charAt(0);
  if (kind === "?" || kind === "!") {
    return { path: entry.slice(2), index: kind, worktree: kind, isUnmerged: false };
  }
  const path = afterFields(entry, FIELDS[kind] ?? 0);
  const [index, worktree] = [entry.charAt(2) as ChangeLetter, entry.charAt(3) as ChangeLetter];
  return { path, index, worktree, isUnmerged: kind === "u", ...(kind === "2" && { from: next() }) };
}

function afterFields(entry: string, count: number): string {
  let from = 0;
  for (let field = 0; field < count; field += 1) from = entry.indexOf(" ", from) + 1;
  return entry.slice(from);
}
