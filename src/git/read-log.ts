import type { Commit } from "./types.ts";

/** Hash, parents, author, committer, subject, body, refs; a NUL after each, since it is in none of them. */
const FIELDS = ["%H", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%s", "%b", "%D"];
const FORMAT = `--format=tformat:${FIELDS.map((field) => `${field}%x00`).join("")}`;
/** Whatever the user's settings add for people to read. */
export const LOG_OPTIONS = ["-z", "--no-show-signature", FORMAT];

/** Reads what `git log` answers with {@link LOG_OPTIONS}. */
export function readLog(output: string): Commit[] {
  const parts = output.split("\0");
  const commits: Commit[] = [];
  // One NUL more ends each commit.
  for (let from = 0; from + FIELDS.length < parts.length; from += FIELDS.length + 1) {
    commits.push(readCommit(parts.slice(from, from + FIELDS.length)));
  }
  return commits;
}

function readCommit(fields: readonly string[]): Commit {
  const [commit = "", parents = "", ...rest] = fields;
  const [author = "", authorEmail = "", authored = "", committer = "", committerEmail = "", committed = ""] = rest;
  const [subject = "", body = "", refs = ""] = rest.slice(6);
  return {
    commit,
    parents: words(parents, " "),
    author: { name: author, email: authorEmail, date: authored },
    committer: { name: committer, email: committerEmail, date: committed },
    subject,
    body: body.trimEnd(),
    refs: words(refs, ", "),
  };
}

function words(text: string, separator: string): string[] {
  return text === "" ? [] : text.split(separator);
}
