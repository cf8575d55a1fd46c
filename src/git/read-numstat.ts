/** How much of a file has changed. */
export interface FileChange {
  path: string;
  /** What a renamed or copied file was. */
  from?: string;
  /** Lines; null for what is no text. */
  added: number | null;
  deleted: number | null;
}

/** Reads what `--numstat -z` answers. */
export function readNumstat(output: string): FileChange[] {
  const parts = output.split("\0");
  const files: FileChange[] = [];
  for (let index = 0; index < parts.length; index += 1) {
    const [, added = "", deleted = "", path = ""] = /^\n*([\d-]+)\t([\d-]+)\t(.*)$/s.exec(parts[index] ?? "") ?? [];
    if (added === "") continue;
    const counts = { added: count(added), deleted: count(deleted) };
    // Without a path: two parts more, what it was and what it is.
    if (path !== "") files.push({ path, ...counts });
    else files.push({ path: parts[index + 2] ?? "", from: parts[index + 1] ?? "", ...counts });
    if (path === "") index += 2;
  }
  return files;
}

function count(text: string): number | null {
  return text === "-" ? null : Number(text);
}
