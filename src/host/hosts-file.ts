import { readSystemFile, replaceSystemFile } from "./system-file.ts";

/**
 * Makes `name` mean `address` in a hosts file, and nothing else; all other lines stay as they are, byte for byte.
 * Writes only when that is not so already. @throws the system error
 */
export async function setHost(path: string, name: string, address: string): Promise<void> {
  const before = (await readSystemFile(path)) ?? "";
  const after = withHost(before, name, address);
  if (after !== before) await replaceSystemFile(path, after);
}

/** The text of a hosts file in which `name` has one line, where its first one was or at the end. */
export function withHost(text: string, name: string, address: string): string {
  const own = `${address}\t${name}\n`;
  let isThere = false;
  const lines = text.split(/(?<=\n)/).flatMap((line) => {
    const names = namesOf(line);
    if (!names.includes(name)) return [line];
    const isAlone = names.every((other) => other === name);
    const kept = isAlone ? [] : [withoutName(line, name)];
    if (isThere) return kept;
    isThere = true;
    return [...kept, own];
  });
  if (isThere) return lines.map((line, index) => (needsNewline(line, index, lines) ? `${line}\n` : line)).join("");
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${own}`;
}

function namesOf(line: string): string[] {
  const [, ...names] = line.replace(/#.*/s, "").trim().toLowerCase().split(/\s+/);
  return names;
}

/** Without the words that are `name`, and what is in front of them. */
function withoutName(line: string, name: string): string {
  const [whole = ""] = /^[^#]*/.exec(line) ?? [];
  const parts = whole.split(/(\s+)/);
  const isName = (index: number): boolean => index % 2 === 0 && parts[index]?.toLowerCase() === name;
  const kept = parts.filter((_, index) => !isName(index) && !isName(index + 1));
  return kept.join("") + line.slice(whole.length);
}

function needsNewline(line: string, index: number, lines: readonly string[]): boolean {
  return !line.endsWith("\n") && index < lines.length - 1;
}
