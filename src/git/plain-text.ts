import type { Stash } from "./read-stashes.ts";
import type { Remote } from "./remotes.ts";
import type { Commit, Status } from "./types.ts";

/** For people: as `git status --short --branch` has it. */
export function statusText({ branch, commit, upstream, ahead, behind, files }: Status): string {
  const distance = [ahead ? `ahead ${ahead}` : "", behind ? `behind ${behind}` : ""].filter(Boolean).join(", ");
  const head = `${branch ?? "detached"}${upstream ? `...${upstream}` : ""}${distance && ` [${distance}]`}`;
  const lines = files.map(({ index, worktree, path, from }) => {
    const letters = `${index}${worktree}`.replaceAll(".", " ");
    return `${letters} ${from === undefined ? "" : `${shown(from)} -> `}${shown(path)}`;
  });
  return [`## ${head}${commit ? "" : " (no commits yet)"}`, ...lines].map((line) => `${line}\n`).join("");
}

/** For people: one commit a line. */
export function logText(commits: readonly Commit[]): string {
  return commits
    .map(({ commit, author, subject, refs }) => {
      const names = refs.length > 0 ? ` (${refs.join(", ")})` : "";
      return `${commit.slice(0, 10)} ${author.date.slice(0, 10)} ${author.name}: ${subject}${names}\n`;
    })
    .join("");
}

/** For people: as `git stash list` has it. */
export function stashesText(stashes: readonly Stash[]): string {
  return stashes.map(({ index, message }) => `stash@{${index}}: ${message}\n`).join("");
}

/** For people: as `git remote --verbose` has it. */
export function remotesText(remotes: readonly Remote[]): string {
  return remotes
    .flatMap(({ name, url, pushUrls }) => [
      `${name}\t${url} (fetch)\n`,
      ...pushUrls.map((pushUrl) => `${name}\t${pushUrl} (push)\n`),
    ])
    .join("");
}

/** A name that would break the line, in quotes. */
function shown(path: string): string {
  return /[\p{Cc}"\\]|^ | $/u.test(path) ? JSON.stringify(path) : path;
}
