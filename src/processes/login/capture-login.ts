import type { Launcher, ProgramSpec } from "../../host/launcher.ts";
import { delay } from "../../lib/abort.ts";
import { runShell } from "./run-shell.ts";
import { DUMP, DUMP_FD, firstDifference, parseState, type ShellState, traceOf } from "./shell-state.ts";
import { filesOfLogin, usualFiles, WatchedFiles } from "./watched-files.ts";

/** What is known of a login. */
export interface LoginCapture {
  /** What a shell must be started with to be like one that has read the profile; undefined when nothing makes it so. */
  environment: Readonly<Record<string, string>> | undefined;
  /** What then is not the same, or changes from login to login. */
  differs?: string;
  /** It holds as long as these files do not change. */
  files: WatchedFiles;
}

export interface CaptureOptions {
  launcher: Launcher;
  /** The program that is to be run: bash with `-l -c` and a command line. */
  program: ProgramSpec;
  signal: AbortSignal;
}

/** Two changes of a file within this time may have the same time stamp. */
const CLOCK_TICK_MS = 20;
/** How often a login is looked at again whose files change meanwhile. */
const MAX_ATTEMPTS = 3;
/** Variables that bash sets by itself at its start, whatever a profile makes of them. */
const SET_BY_BASH = new Set(["_", "SHLVL", "PWD"]);
/** What is left of Debian's `.bash_logout` without its comments: off a console it does nothing. */
const USUAL_LOGOUT = [
  'if [ "$SHLVL" = 1 ]; then',
  "[ -x /usr/bin/clear_console ] && /usr/bin/clear_console -q",
  "fi",
].join("\n");

/**
 * Logs in twice, once traced and once not, and then starts a shell that is no login shell with the environment of the latter:
 * equal in everything that a command could see, it may take the place of a login. All three run as the program would.
 * @throws SandboxError as {@link Launcher.start}, and the signal's reason
 */
export async function captureLogin(options: CaptureOptions): Promise<LoginCapture> {
  const { launcher, program, signal } = options;
  let files = new WatchedFiles(usualFiles(program));
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await untilSettled(files, signal);
    const beganAt = Date.now();
    const { bytes, fault } = await runShell(launcher, tracedLogin(program), signal);
    const traced = parseState(bytes);
    const searchPaths = [program.env["PATH"] ?? "", traced?.environment?.get("PATH") ?? ""];
    const paths = filesOfLogin(program, traceOf(bytes), searchPaths);
    if (!paths) return { environment: undefined, differs: "files", files };
    files = new WatchedFiles(paths);
    if (fault === "processes" || !traced) return { environment: undefined, differs: fault ?? "startup", files };
    if (files.newestChangeMs + CLOCK_TICK_MS > beganAt) continue;
    const proof = await prove(options, traced);
    if (files.isCurrent()) return { ...proof, files };
  }
  return { environment: undefined, differs: "changing files", files };
}

/** Waits until a further change of a file would be seen. */
async function untilSettled(files: WatchedFiles, signal: AbortSignal): Promise<void> {
  const leftMs = files.newestChangeMs + CLOCK_TICK_MS + 1 - Date.now();
  if (leftMs > 0) await delay(Math.min(leftMs, CLOCK_TICK_MS + 1), signal);
}

/** Compares a login with the traced one before it and with the shell that is to take its place. */
async function prove(options: CaptureOptions, traced: ShellState): Promise<Omit<LoginCapture, "files">> {
  const { launcher, program, signal } = options;
  const login = await runShell(launcher, shell(program, ["-l", "-c", DUMP]), signal);
  const state = parseState(login.bytes);
  const fault = login.fault ?? (state ? faultOf(state, traced) : "startup");
  if (fault !== undefined || !state?.environment) return { environment: undefined, differs: fault ?? "encoding" };
  const environment = startEnvironment(state.environment, program.env);
  const plain = await runShell(launcher, { ...shell(program, ["-c", DUMP]), env: environment }, signal);
  const plainState = parseState(plain.bytes);
  const differs = plain.fault ?? (plainState ? firstDifference(state, plainState) : "startup");
  return differs === undefined ? { environment } : { environment: undefined, differs };
}

/** Why a login cannot be replaced, as far as it tells by itself. */
function faultOf(state: ShellState, traced: ShellState): string | undefined {
  const changing = firstDifference(state, traced);
  if (changing !== undefined) return `changing ${changing}`;
  if (state.environment?.has("BASH_ENV")) return "BASH_ENV";
  return isLogoutEmpty(state.kinds.get("logout") ?? "") ? undefined : "logout";
}

/** A login shell that ends by `exit` reads `.bash_logout`. */
function isLogoutEmpty(text: string): boolean {
  const lines = text
    .replaceAll("\0", "\n")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  return ["", USUAL_LOGOUT].includes(lines.join("\n"));
}

/** What a shell must be given so that what it passes on is `exported`. */
function startEnvironment(
  exported: ReadonlyMap<string, string>,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const own = Object.entries(given).filter(([name]) => SET_BY_BASH.has(name));
  return Object.fromEntries([...[...exported].filter(([name]) => !SET_BY_BASH.has(name)), ...own]);
}

function shell(program: ProgramSpec, args: readonly string[]): ProgramSpec {
  return { ...program, argv: [program.argv[0], ...args] };
}

function tracedLogin(program: ProgramSpec): ProgramSpec {
  const env = { ...program.env, BASH_XTRACEFD: String(DUMP_FD) };
  return { ...shell(program, ["-l", "-x", "-c", DUMP]), env };
}
