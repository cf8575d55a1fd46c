import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { type ReportedRow, targetText } from "./report.ts";

const HEADER = `# Benchmarks

Written by \`npm run bench [-- name…]\`; each section by the last run of its file. "Bare" is the same without a daemon, measured in the same run, in turn
with ours (of kernels: a Jupyter server, unless the note says otherwise); figures are medians. Where pairs were measured, the ratio is the median of the pairs' ratios, which may differ a little from the quotient of the medians.
"Usual daemon" is what the daemon usual in this place takes, measured elsewhere, for context.
`;

/** Replaces the sections of the benches that have run and leaves the others as they are. */
export function writeResults(file: string, root: string, results: ReadonlyMap<string, readonly ReportedRow[]>): void {
  const sections = existsSync(file) ? readSections(readFileSync(file, "utf8")) : new Map<string, string>();
  for (const [name, rows] of results) sections.set(name, section(name, root, rows));
  const inOrder = [...sections].toSorted(([a], [b]) => a.localeCompare(b)).map(([, text]) => text);
  writeFileSync(file, [HEADER, ...inOrder].join("\n"));
}

function readSections(text: string): Map<string, string> {
  const parts = text.split(/^(?=## )/m).filter((part) => part.startsWith("## "));
  return new Map(parts.map((part) => [part.slice(3, part.indexOf("\n")), `${part.trimEnd()}\n`]));
}

function section(name: string, root: string, rows: readonly ReportedRow[]): string {
  const head = "| what | ours | bare | ratio | target | met | usual daemon |";
  const lines = rows.map((row) => tableLine(row));
  const notes = rows.filter((row) => row.note).map((row) => `* ${row.what}: ${row.note}`);
  return `## ${name}\n\n${circumstances(root)}\n\n${head}\n|---|---|---|---|---|---|---|\n${lines.join("\n")}\n\n${notes.join("\n")}\n`;
}

function tableLine(row: ReportedRow): string {
  const { what, unit, ours, bare, ratio, target, isMet, usual } = row;
  const met = isMet === undefined ? "" : isMet ? "yes" : "**no**";
  const cells = [
    what,
    ours === undefined ? "not measured" : `${ours} ${unit}`,
    bare === undefined ? "" : `${bare} ${unit}`,
    ratio === undefined ? "" : `${ratio}`,
    target ? targetText(target, unit) : "",
    met,
    usual ?? "",
  ];
  return `| ${cells.join(" | ")} |`;
}

/** When, of what, on what. */
function circumstances(root: string): string {
  const [cpu] = cpus();
  const load = loadavg()[0]?.toFixed(1);
  const machine = `${cpu?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.versions.node}`;
  return `${new Date().toISOString().slice(0, 10)}, commit ${commit(root)}, ${machine}, load at the end ${load}`;
}

function commit(root: string): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const isChanged = git("status", "--porcelain", "--", "src", "package-lock.json") !== "";
    return `${git("rev-parse", "--short", "HEAD")}${isChanged ? " with uncommitted changes" : ""}`;
  } catch {
    return "unknown"; // no git, or no repository: an installation
  }
}
