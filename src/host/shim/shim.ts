import { closeSync } from "node:fs";
import { getSystemErrorMessage } from "node:util";
import { errnoName, type ErrorCode, fromErrno, SandboxError } from "../../errors.ts";
import { LineSplitter } from "../../lib/line-splitter.ts";
import type { Usage } from "../child.ts";
import { pipe, spawn } from "../libc.ts";
import { OutputPipe } from "../output-pipe.ts";
import type { Identity } from "../users.ts";

/** What the shim prepares for a program; see `shim.c`. */
export interface ShimOptions {
  /** Undefined: stay who the daemon is (it could not change anyway). */
  identity: Identity | undefined;
  cwd: string;
  openFiles: number;
  oomScoreAdj: number;
  niceness: number | undefined;
  isTerminal?: boolean;
  /** The program is killed when the daemon dies. */
  diesWithDaemon?: boolean;
}

/** The program's wait status and what it used; `wallMs` is the caller's to know. */
export interface ShimEnd {
  status: number;
  usage: Omit<Usage, "wallMs">;
}

const LONGEST_REPORT_BYTES = 256;

/** Command-line options of the shim for a program with `keptDescriptors` descriptors above 2. */
export function shimOptions(options: ShimOptions, keptDescriptors: number): string[] {
  const { identity } = options;
  return [
    ...(identity ? ["-u", `${identity.uid}`, "-g", `${identity.gid}`, "-G", identity.groups.join(",")] : []),
    "-d",
    options.cwd,
    "-n",
    `${options.openFiles}`,
    "-o",
    `${options.oomScoreAdj}`,
    ...(options.niceness === undefined ? [] : ["-p", `${options.niceness}`]),
    ...(keptDescriptors > 0 ? ["-k", `${keptDescriptors}`] : []),
    ...(options.isTerminal ? ["-t"] : []),
    ...(options.diesWithDaemon ? ["-x"] : []),
  ];
}

/** One running shim: what it reports of its program. */
export class Shim {
  readonly #reports: OutputPipe;
  #hasReported = false;
  readonly #pid = Promise.withResolvers<number>();
  readonly #ended = Promise.withResolvers<ShimEnd | undefined>();
  /** Resolves when the shim has exited: nothing its program started is left (or the shim was killed). */
  readonly gone: Promise<void>;

  /** Takes over the reading end of the report pipe. */
  constructor(reportFd: number) {
    const lines = new LineSplitter({ maxLineBytes: LONGEST_REPORT_BYTES });
    this.#pid.promise.catch(() => undefined); // whoever starts the program awaits it; a lost shim may come first
    this.#reports = new OutputPipe(reportFd, (bytes) => {
      for (const line of lines.push(bytes)) this.#take(line.split(" "));
      return true;
    });
    this.gone = this.#reports.ended.then(() => {
      if (!this.#hasReported) this.#pid.reject(new SandboxError("internal", "the shim ended without a report"));
      this.#ended.resolve(undefined);
    });
  }

  /** The program's process id. @throws SandboxError when it was not started */
  get programPid(): Promise<number> {
    return this.#pid.promise;
  }

  /** Resolves as soon as the program has ended; undefined when the shim was lost before that. */
  get ended(): Promise<ShimEnd | undefined> {
    return this.#ended.promise;
  }

  #take([word, ...fields]: string[]): void {
    this.#hasReported = true;
    if (word === "pid") this.#pid.resolve(Number(fields[0]));
    if (word === "fail") this.#pid.reject(startError(fields[0] ?? "", Number(fields[1])));
    if (word === "end") this.#ended.resolve(decodeEnd(fields.map(Number)));
  }
}

/** Who starts shims: it reaps each one after its `gone`. */
export interface ShimHost {
  readonly shimPath: string;
  adopt(shimPid: number, gone: Promise<void>): void;
}

/**
 * Starts a shim with `fds` as the program's descriptors 0, 1, 2 … and closes them here, also on failure.
 * @throws SandboxError invalid_argument (arguments too long), resource_exhausted, unavailable (the shim cannot be run)
 */
export function startShim(
  host: ShimHost,
  program: { argv: readonly string[]; env: readonly string[]; fds: readonly number[] },
  options: ShimOptions,
): { shim: Shim; shimPid: number } {
  let report: ReturnType<typeof pipe> | undefined;
  try {
    report = pipe();
    const argv = ["guestd-shim", ...shimOptions(options, program.fds.length - 3), "--", ...program.argv];
    const shimPid = spawn(host.shimPath, argv, program.env, [...program.fds, report.writeEnd]);
    const shim = new Shim(report.readEnd);
    host.adopt(shimPid, shim.gone);
    return { shim, shimPid };
  } catch (error) {
    if (report) closeSync(report.readEnd);
    throw spawnError(error);
  } finally {
    for (const fd of new Set(program.fds)) closeSync(fd);
    if (report) closeSync(report.writeEnd);
  }
}

const SPAWN_CODES: Readonly<Record<string, ErrorCode>> = {
  E2BIG: "invalid_argument",
  EAGAIN: "resource_exhausted",
  ENOENT: "unavailable",
  EACCES: "unavailable",
};

function spawnError(error: unknown): SandboxError {
  return fromErrno(error, "cannot start the program", SPAWN_CODES[errnoName(error) ?? ""]);
}

function startError(stage: string, errno: number): SandboxError {
  const code: ErrorCode =
    stage === "fork" ? "resource_exhausted" : stage === "dir" ? "invalid_argument" : "permission_denied";
  const doing =
    { fork: "cannot fork", dir: "cannot enter the working directory" }[stage] ?? `cannot take the user's ${stage}`;
  return new SandboxError(code, `${doing}: ${getSystemErrorMessage(-errno)}`);
}

function decodeEnd(fields: number[]): ShimEnd {
  const [status = 0, userUs = 0, systemUs = 0, maxRssKib = 0, minorFaults = 0, majorFaults = 0] = fields;
  const [blocksRead = 0, blocksWritten = 0, voluntarySwitches = 0, involuntarySwitches = 0] = fields.slice(6);
  return {
    status,
    usage: {
      userMs: userUs / 1000,
      systemMs: systemUs / 1000,
      maxRssBytes: maxRssKib * 1024,
      minorFaults,
      majorFaults,
      blocksRead,
      blocksWritten,
      voluntarySwitches,
      involuntarySwitches,
      source: "wait4",
    },
  };
}
