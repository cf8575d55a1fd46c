import { isUtf8 } from "node:buffer";

/** What a shell was when its command began: each kind of thing as text that is equal when the things are. */
export interface ShellState {
  /** The flags of `$-`. */
  flags: string;
  /** Exported variables as a program gets them, in their order; undefined when one of them is not UTF-8, or they cannot be told. */
  environment: ReadonlyMap<string, string> | undefined;
  kinds: ReadonlyMap<string, string>;
}

/** The descriptor that {@link DUMP} writes to, and the one that a traced shell writes its trace to. */
export const DUMP_FD = 4;

/**
 * A command line that tells a shell's state: the flags and `$?`, then records that end with NUL and begin with their kind.
 * Whatever the profile has made of names, the builtins that are asked are the real ones or the answers differ. Of its process
 * it is asked what a program inherits: bash itself blocks a signal now and then.
 */
export const DUMP = `builtin printf '\\0%s\\0%s\\0' "$-" "$?" >&${DUMP_FD}
set +x
{
  printf '\\0'
  printf 'hashes '
  (
    for guestd_name in "\${!BASH_CMDS[@]}"; do
      guestd_path=\${BASH_CMDS[$guestd_name]}
      hash -d -- "$guestd_name"
      [ "$(type -P -- "$guestd_name")" = "$guestd_path" ] || printf '%s ' "$guestd_name"
    done
  )
  printf '\\0'
  printf 'arguments %s\\0' "$0" "$#" "$@"
  printf 'directory '; pwd -P; printf '\\0'
  printf 'umask '; umask; printf '\\0'
  printf 'limits '; ulimit -S -a; ulimit -H -a; printf '\\0'
  printf 'functions '; declare -f; declare -F; printf '\\0'
  printf 'aliases '; alias -p; printf '\\0'
  printf 'traps '; trap -p; printf '\\0'
  printf 'completions '; complete -p; printf '\\0'
  printf 'builtins '; enable -a; printf '\\0'
  printf 'jobs '; jobs -l; printf '\\0'
  printf 'scheduling '; command -p cat /proc/self/stat; printf '\\0'
  printf 'process '; command -p cat /proc/self/status; printf '\\0'
  printf 'placement '; command -p cat /proc/self/oom_score_adj /proc/self/cgroup; printf '\\0'
  printf 'descriptors '; printf '%s ' "/proc/$$/fd/"*; command -p readlink "/proc/$$/fd/"*; printf '\\0'
  printf 'input '; command -p cat; printf '\\0'
  printf 'logout '; command -p cat ~/.bash_logout /etc/bash.bash_logout; printf '\\0'
  compgen -v | while IFS= read -r guestd_name; do
    printf 'variable '; declare -p -- "$guestd_name"; printf '\\0'
  done
  printf 'attributes '; declare -p; printf '\\0'
  printf 'environment\\0'; command -p env -0
  printf 'end'
} 2>/dev/null >&${DUMP_FD}`;

/** Variables that no two shells have in common, or that tell how a shell came about and not what it is. */
const VOLATILE = new Set(
  `_ BASHPID BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_LINENO BASH_MONOSECONDS BASH_SOURCE BASH_SUBSHELL
  BASH_XTRACEFD EPOCHREALTIME EPOCHSECONDS FUNCNAME LINENO PIPESTATUS PPID RANDOM SECONDS SRANDOM`.split(/\s+/),
);

/** Lines of /proc/self/status that a program inherits. */
const INHERITED = /^(?:Umask|Uid|Gid|Groups|NoNewPrivs|Seccomp|SigBlk|SigIgn|Cap\w+|Cpus_allowed|Mems_allowed):/;
/** In /proc/self/stat, counted from the state after the name: niceness, real-time priority, policy. */
const SCHEDULING_FIELDS = [16, 37, 38];

/** Reads what {@link DUMP} wrote; undefined when it is not complete, since the profile has kept it from running. */
export function parseState(bytes: Buffer): ShellState | undefined {
  const [, flags = "", status = "", , ...records] = bytes.toString("latin1").split("\0");
  const start = records.indexOf("environment");
  if (start < 0 || records.at(-1) !== "end") return undefined;
  const kinds = new Map([["status", status]]);
  for (const record of records.slice(0, start)) {
    const [kind, text] = cut(record, " ");
    const shown = normalized(kind, text);
    if (shown !== undefined) kinds.set(kind, `${kinds.get(kind) ?? ""}${shown}\0`);
  }
  return { flags: flags.replace("x", ""), environment: parseEnvironment(records.slice(start + 1, -1)), kinds };
}

/** What `set -x` said before the shell was asked, or until it ended without being asked. */
export function traceOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

/** The first kind of thing that two shells do not have in common, `_` and descriptors of pipes apart. */
export function firstDifference(one: ShellState, other: ShellState): string | undefined {
  if (one.flags !== other.flags) return "options";
  const kinds = new Set([...one.kinds.keys(), ...other.kinds.keys()]);
  const differing = [...kinds].find((kind) => one.kinds.get(kind) !== other.kinds.get(kind));
  if (differing) return differing;
  if (!one.environment || !other.environment) return "encoding";
  return entriesOf(one.environment) === entriesOf(other.environment) ? undefined : "environment";
}

function entriesOf(environment: ReadonlyMap<string, string>): string {
  const entries = [...environment].filter(([name]) => name !== "BASH_XTRACEFD");
  return entries
    .map((entry) => entry.join("="))
    .toSorted()
    .join("\0");
}

function parseEnvironment(records: readonly string[]): Map<string, string> | undefined {
  const bytes = records.map((record) => Buffer.from(record, "latin1"));
  if (bytes.length === 0 || !bytes.every((record) => isUtf8(record))) return undefined;
  return new Map(bytes.map((record) => cut(record.toString("utf8"), "=")));
}

/** What is before and after the first `separator`. */
function cut(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** Without what no two shells have in common; undefined for a variable that is left out. */
function normalized(kind: string, text: string): string | undefined {
  if (kind === "variable") return normalizedVariable(text);
  // Only names that are declared and have no value: the others have records of their own.
  if (kind === "attributes") return linesOf(text, /^declare -\S+ \w+$/);
  if (kind === "process") return linesOf(text, INHERITED);
  if (kind === "descriptors") return normalizedDescriptors(text);
  if (kind === "scheduling") {
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return SCHEDULING_FIELDS.map((index) => fields[index]).join();
  }
  return text;
}

function linesOf(text: string, pattern: RegExp): string {
  const lines = text.split("\n").filter((line) => pattern.test(line));
  return lines.join("\n");
}

function normalizedVariable(text: string): string | undefined {
  const [declaration = ""] = text.split("=", 1);
  const name = declaration.slice(declaration.lastIndexOf(" ") + 1).trimEnd();
  if (VOLATILE.has(name)) return undefined;
  return name === "BASHOPTS" ? text.replace(/\blogin_shell:?/, "").replace(/:"$/m, '"') : text;
}

/** Pipes are numbered in order of their appearance, and the shell's own number is left out. */
function normalizedDescriptors(text: string): string {
  const numbers = new Map<string, number>();
  return text.replace(/\/proc\/\d+\/fd\//g, "").replace(/(?:pipe|socket):\[\d+\]/g, (name) => {
    if (!numbers.has(name)) numbers.set(name, numbers.size);
    return `pipe ${numbers.get(name)}`;
  });
}
