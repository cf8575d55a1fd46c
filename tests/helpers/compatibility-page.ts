import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./daemon.ts";

/** One row of docs/compatibility.md: names of a class in JavaScript and in both Python SDKs, and what the page says of them. */
export interface CompatibilityRow {
  className: string;
  js: readonly string[];
  sync: readonly string[];
  async: readonly string[];
  says: string;
  /** Files that are linked, relative to the page. */
  tests: readonly { language: string; path: string }[];
}

export interface CompatibilityPage {
  /** Of the packages, by `npm e2b`, `PyPI e2b` … */
  versions: Readonly<Record<string, string>>;
  rows: readonly CompatibilityRow[];
}

/** What docs/compatibility.md says. A section's class is the first that its heading names; without one each row has its own. */
export function readCompatibilityPage(): CompatibilityPage {
  const text = readFileSync(join(REPOSITORY, "docs", "compatibility.md"), "utf8");
  const [head = "", ...sections] = text.split(/^## /m);
  const versions = Object.fromEntries(
    bodyRows(head).map(([name = "", version = ""]) => [name.replaceAll("`", ""), version]),
  );
  return { versions, rows: sections.flatMap(rowsOf) };
}

function rowsOf(section: string): CompatibilityRow[] {
  const className = /^.*?`(\w+)`/.exec(section)?.[1] ?? "";
  const isByMember = /^\| JavaScript/m.test(section);
  return bodyRows(section).map((cells) => {
    const [own, js = "", python = "", says = "", links = ""] = isByMember ? [`\`${className}\``, ...cells] : cells;
    return {
      className: namesIn(own ?? "")[0] ?? "",
      js: namesIn(js),
      sync: python.includes("(async)") ? [] : namesIn(python),
      async: python.includes("(sync)") ? [] : namesIn(python),
      says,
      tests: [...links.matchAll(/\[(\w+)\]\(([^)]+)\)/g)].map(([, language = "", path = ""]) => ({ language, path })),
    };
  });
}

/** Cells of all rows but the heading ones. */
function bodyRows(text: string): string[][] {
  const lines = text.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
}

const COMMENTS = { js: /\/\*.*?\*\/|(?:^|[^\S\n]+)\/\/[^\n]*/gms, python: /(?:^|[^\S\n]+)#[^\n]*/gm };

/** A program without its comments. */
export function codeOf(text: string, language: keyof typeof COMMENTS): string {
  return text.replaceAll(COMMENTS[language], "");
}

/** Whether some of a file's tests never run; those that need what a machine may lack say so as they run. */
export function isSkipping(text: string): boolean {
  return /\b(?:test|it|describe)\.(?:skip|todo|skipIf|runIf|fails)\b|\bpytest\.(?:mark\.)?(?:skip|xfail)/.test(text);
}
