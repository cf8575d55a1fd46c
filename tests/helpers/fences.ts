import { readFileSync } from "node:fs";

/** A fenced block of a document. */
export interface Fence {
  /** Line of the document on which its text begins. */
  line: number;
  /** What stands behind the opening back quotes: `js run`. */
  info: string;
  text: string;
}

/** The fenced blocks of a document, in order. */
export function fencesOf(path: string): Fence[] {
  const fences: Fence[] = [];
  let open: Fence | undefined;
  for (const [index, text] of readFileSync(path, "utf8").split("\n").entries()) {
    if (!text.startsWith("```")) {
      if (open) open.text += `${text}\n`;
    } else if (open) open = undefined;
    else fences.push((open = { line: index + 2, info: text.slice(3), text: "" }));
  }
  return fences;
}
