/** A branch or tag. */
export interface Ref {
  /** `main`, `origin/main`, `v1` */
  name: string;
  /** Of an annotated tag: the commit that it is of. */
  commit: string;
  isCurrent: boolean;
  isRemote: boolean;
  upstream: string | null;
  subject: string;
}

const FIELDS = ["refname", "objectname", "*objectname", "HEAD", "upstream:short", "contents:subject"];
/** A NUL after each field, a line feed after each reference; neither is in a name or a subject. */
export const REF_FORMAT = `--format=${FIELDS.map((field) => `%(${field})%00`).join("")}`;

/** Reads what `git for-each-ref` answers with {@link REF_FORMAT}. What only says which branch is a remote's default is left out. */
export function readRefs(output: string): Ref[] {
  return output
    .split("\n")
    .map((line) => line.split("\0"))
    .filter(([name = ""]) => name !== "" && !/^refs\/remotes\/[^/]+\/HEAD$/.test(name))
    .map(([name = "", object = "", peeled = "", head = "", upstream = "", subject = ""]) => ({
      name: name.replace(/^refs\/(?:heads|remotes|tags)\//, ""),
      commit: peeled || object,
      isCurrent: head === "*",
      isRemote: name.startsWith("refs/remotes/"),
      upstream: upstream || null,
      subject,
    }));
}
