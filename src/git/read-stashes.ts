/** Changes that were put aside. */
export interface Stash {
  /** Counts from 0, the one that was made last; the others move up when one is made or goes. */
  index: number;
  commit: string;
  /** `On main: words`, or `WIP on main: …` without a message. */
  message: string;
  /** ISO 8601 with the offset that it was made with. */
  date: string;
}

const FIELDS = ["%H", "%gs", "%cI"];
/** A NUL after each field. */
export const STASH_OPTIONS = [
  "-z",
  "--no-show-signature",
  `--format=tformat:${FIELDS.map((field) => `${field}%x00`).join("")}`,
];

/** Reads what `git stash list` answers with {@link STASH_OPTIONS}. */
export function readStashes(output: string): Stash[] {
  const parts = output.split("\0");
  const stashes: Stash[] = [];
  // One NUL more ends each.
  for (let from = 0; from + FIELDS.length < parts.length; from += FIELDS.length + 1) {
    const [commit = "", message = "", date = ""] = parts.slice(from, from + FIELDS.length);
    stashes.push({ index: stashes.length, commit, message, date });
  }
  return stashes;
}
