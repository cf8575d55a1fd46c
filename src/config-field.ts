/** One setting: its flag, the environment variable beside it, how it is read and what `--help` says. */
export interface ConfigField {
  flag: string;
  env: string;
  kind: "text" | "flag" | "list" | "integer" | "choice" | "port" | "variables";
  help: string;
  default: unknown;
  /** Shown instead of the default's own text. */
  defaultText?: string;
  /** Shown as the value's name in `--help`. */
  unit?: string;
  min?: number;
  max?: number;
  choices?: readonly string[];
  /** What a text must look like. */
  form?: { match: RegExp; says: string };
  /** What each member of a list must look like. */
  items?: { match: RegExp; says: string };
  /** A port that may also be `off`. */
  allowsOff?: boolean;
}
