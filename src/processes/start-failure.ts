import { SandboxError } from "../errors.ts";
import type { ProgramSpec } from "../host/launcher.ts";

/** Arguments can be megabytes; nobody needs more of them to know what was meant. */
const MAX_SHOWN_CHARACTERS = 1000;

/** The error of a start as the wire contract words it, where the request is to blame; any other stays as it is. */
export function startFailure(error: unknown, { argv, cwd, terminal }: ProgramSpec): unknown {
  if (!(error instanceof SandboxError) || error.code !== "invalid_argument") return error;
  const words = argv.join(" ");
  const command = words.length > MAX_SHOWN_CHARACTERS ? `${words.slice(0, MAX_SHOWN_CHARACTERS)}…` : words;
  const what = terminal
    ? `pty with command '${command}' in dir '${cwd}' with '${terminal.cols}' cols and '${terminal.rows}' rows`
    : `process '${command}'`;
  return new SandboxError(error.code, `error starting ${what}: ${error.message}`, { cause: error });
}
