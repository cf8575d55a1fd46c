import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import type { SimpleGit } from "simple-git";
import { fromErrno, SandboxError } from "../errors.ts";
import type { ChildExit, OutputSink } from "../host/child.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { Launcher, ProgramSpec } from "../host/launcher.ts";
import { terminateTree } from "../host/process-group.ts";
import { descendantsOf, parentOf } from "../host/process-tree.ts";
import type { ProgramChild } from "../host/program-child.ts";
import { onAbort } from "../lib/abort.ts";
import type { CallPlace, CallSocket } from "./call/call-socket.ts";
import type { IncomingCall } from "./call/incoming-call.ts";
import { answerTo, type BoundCredentials } from "./credentials.ts";
import { gitFailure } from "./failures.ts";
import { type GitProgress, ProgressReader } from "./progress.ts";
import { gitEnvironment, gitOptions, type GitRights } from "./settings.ts";

/** Who uses git, where, and with what rights. */
export interface GitUse {
  user: string | undefined;
  /** Home of the user unless given. */
  cwd?: string | undefined;
  credentials?: BoundCredentials | undefined;
  /** False by default for calls with credentials. */
  runsHooks?: boolean;
  allowsFile?: boolean;
  /** Variables of these gits. */
  env?: Readonly<Record<string, string>>;
  /** Ends git and everything it has started; {@link GitProgram.use} then rejects with the signal's reason. */
  signal: AbortSignal;
  onProgress?: ((progress: GitProgress) => void) | undefined;
}

/** Runs git with these arguments and resolves with what it has printed. @throws SandboxError as {@link gitFailure} has it */
export type RunGit = (args: readonly string[]) => Promise<string>;

/** What is ready for the gits of one use. */
interface Prepared {
  program: ProgramSpec;
  options: readonly string[];
  use: GitUse;
  place: CallPlace;
  questionsId: string;
  /** All gits of this use, for whoever asks as one of them. */
  shims: Set<number>;
  running: Set<Promise<void>>;
  /** Why the git that has run last has failed. */
  failure: SandboxError | undefined;
}

/** What one git may say: all of it is held in memory, several times over. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;
const GRACE_MS = 2000;
const KILL_WAIT_MS = 1000;
const SIGNALED = 128;
/** Exit code of a git that we did not start. */
const NOT_STARTED = 125;
const REFUSED = 1;
/** All that simple-git keeps of the system's error. */
const TOO_LONG = "spawn E2BIG";

/**
 * Git by way of simple-git, as the user who asks. simple-git composes and checks command lines; in git's place it starts
 * `guestd-call`, for which we start git with the launcher, as all programs (docs/decisions/0030).
 */
export class GitProgram {
  readonly #launcher: Launcher;
  readonly #exec: ExecContext;
  readonly #calls: CallSocket;
  readonly #maxOutputBytes: number;

  constructor(deps: { launcher: Launcher; exec: ExecContext; calls: CallSocket; maxOutputBytes?: number }) {
    this.#maxOutputBytes = deps.maxOutputBytes ?? MAX_OUTPUT_BYTES;
    this.#launcher = deps.launcher;
    this.#exec = deps.exec;
    this.#calls = deps.calls;
  }

  /**
   * Lets `work` use git. When this settles no git of it is left.
   * @throws SandboxError as {@link gitFailure} has it, not_found when there is no such directory
   */
  async use<T>(use: GitUse, work: (run: RunGit) => Promise<T>): Promise<T> {
    const prepared = await this.#prepare(use);
    const callId = randomUUID();
    using _handler = this.#calls.handle(callId, (call) => {
      this.#track(prepared, call).catch(() => call.end(NOT_STARTED));
    });
    using _questions = this.#calls.handle(prepared.questionsId, (call) => {
      this.#answer(prepared, call).catch(() => call.end(REFUSED));
    });
    const git = await openGit(prepared, callId);
    try {
      return await work(async (args) => {
        prepared.failure = undefined;
        try {
          return await git.raw([...args]);
        } catch (error) {
          use.signal.throwIfAborted();
          throw prepared.failure ?? refusal(error);
        }
      });
    } finally {
      await Promise.all(prepared.running);
    }
  }

  async #prepare(use: GitUse): Promise<Prepared> {
    const { credentials, runsHooks = credentials === undefined, allowsFile = false, user, cwd } = use;
    const rights: GitRights = { hasCredentials: credentials !== undefined, runsHooks, allowsFile };
    const [place, program] = await Promise.all([this.#calls.open(), this.#program(user, cwd)]);
    const questionsId = randomUUID();
    const asking = {
      GIT_ASKPASS: place.program,
      GUESTD_CALL_SOCKET: place.socket,
      GUESTD_CALL_ID: questionsId,
    };
    const env = { ...gitEnvironment(program.env, rights), ...use.env, ...(credentials && asking) };
    const shared = { use, place, questionsId, shims: new Set<number>(), running: new Set<Promise<void>>() };
    return { ...shared, program: { ...program, env }, options: gitOptions(rights), failure: undefined };
  }

  async #program(user: string | undefined, cwd: string | undefined): Promise<ProgramSpec> {
    try {
      return await this.#exec.program({ argv: ["git"], user, cwd, hasStdin: false });
    } catch (error) {
      if (!(error instanceof SandboxError) || error.reason !== "cwd_missing") throw error;
      throw new SandboxError("not_found", `there is no directory ${JSON.stringify(cwd)}`, {
        reason: "not_found",
        cause: error,
      });
    }
  }

  /** Serves one git from start to end. */
  async #track(prepared: Prepared, call: IncomingCall): Promise<void> {
    // Only what simple-git has started for us is our child.
    if (parentOf(call.peer.pid) !== process.pid || prepared.use.signal.aborted) return call.end(NOT_STARTED);
    const serving = this.#serve(prepared, call).then(
      (exitCode) => call.end(exitCode),
      (error: unknown) => {
        prepared.failure = fromErrno(error, "cannot run git");
        call.end(NOT_STARTED);
      },
    );
    prepared.running.add(serving);
    await serving;
    prepared.running.delete(serving);
  }

  async #serve(prepared: Prepared, call: IncomingCall): Promise<number> {
    const { program, options, use, shims } = prepared;
    const progress = new ProgressReader();
    const limit = this.#maxOutputBytes;
    let child: ProgramChild | undefined;
    let [outputBytes, isTooMuch] = [0, false];
    call.onDrain(() => child?.resumeOutput());
    const started = { ...program, argv: ["git", ...options, ...call.args] as ["git", ...string[]] };
    const take: OutputSink = (stream, bytes) => {
      outputBytes += bytes.length;
      if (outputBytes > limit) {
        if (child && !isTooMuch) terminateSoon(child, 0);
        isTooMuch = true;
        return true;
      }
      if (stream === "stderr") for (const step of progress.push(bytes)) use.onProgress?.(step);
      return call.write(stream === "stdout" ? "stdout" : "stderr", bytes);
    };
    child = await this.#launcher.start(started, take, { signal: use.signal });
    using ownedChild = child;
    shims.add(ownedChild.shimPid);
    const ending = Promise.withResolvers<void>();
    // Nobody can take its output any more.
    call.onClose(() => void (ownedChild.hasEnded || terminateSoon(ownedChild, GRACE_MS)));
    using _listener = onAbort(
      use.signal,
      () => void terminate(ownedChild, GRACE_MS).then(ending.resolve, ending.resolve),
    );
    if (isTooMuch) terminateSoon(ownedChild, 0); // it was before there was a child to end
    const exit = await ownedChild.exit;
    if (use.signal.aborted) await ending.promise;
    shims.delete(ownedChild.shimPid);
    // Part of it is no answer, whatever git's exit code.
    if (isTooMuch) throw tooMuch(limit);
    return exitCodeOf(exit);
  }

  /** Answers a question if a git of this use has asked it through our program: nobody else gets anything. */
  async #answer({ use, shims, place }: Prepared, call: IncomingCall): Promise<void> {
    const [prompt = ""] = call.args;
    const isOurs = [...shims].some((shim) => descendantsOf(shim).includes(call.peer.pid));
    const answer = use.credentials && isOurs ? answerTo(prompt, use.credentials) : undefined;
    if (answer === undefined || !(await isRunningProgram(call.peer.pid, place.program))) return call.end(REFUSED);
    call.write("stdout", Buffer.from(`${answer}\n`));
    call.end(0);
  }
}

/** simple-git for one use; it keeps only the words of an error, so the error itself is left in `prepared`. */
async function openGit(prepared: Prepared, callId: string): Promise<SimpleGit> {
  const { simpleGit } = await import("simple-git");
  return simpleGit({
    baseDir: "/",
    binary: prepared.place.program,
    // The path is ours, wherever the state directory is.
    unsafe: { allowUnsafeCustomBinary: true },
    errors: (error, { exitCode, stdOut, stdErr }) => {
      if (exitCode === 0) return error;
      const outcome = { exitCode, stdout: textOf(stdOut), stderr: textOf(stdErr) };
      prepared.failure ??= gitFailure(outcome, prepared.use.credentials);
      return prepared.failure;
    },
  }).env({ GUESTD_CALL_SOCKET: prepared.place.socket, GUESTD_CALL_ID: callId });
}

async function isRunningProgram(pid: number, program: string): Promise<boolean> {
  try {
    const [running, expected] = await Promise.all([stat(`/proc/${pid}/exe`), stat(program)]);
    return running.ino === expected.ino && running.dev === expected.dev;
  } catch {
    return false; // it has ended
  }
}

async function terminate(child: ProgramChild, graceMs: number): Promise<void> {
  await terminateTree(child, { signal: "SIGTERM", graceMs, killWaitMs: KILL_WAIT_MS });
}

/** Whether it could be ended shows in its exit, which is awaited elsewhere. */
function terminateSoon(child: ProgramChild, graceMs: number): void {
  terminate(child, graceMs).catch(() => undefined);
}

/** simple-git has refused arguments of the caller's, in the words of its options, or the system has; anything else is a bug. */
function refusal(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.message.endsWith(TOO_LONG)) {
    return new SandboxError("invalid_argument", "git: a text, or all of them together, is too long for its arguments", {
      hint: "128 KiB at most, or give it in a file to a command: POST /v1/run",
      cause: error,
    });
  }
  if (!("plugin" in error)) return error;
  const message = error.message.replace(/ without enabling \w+$/, "");
  return new SandboxError("permission_denied", `git: ${message}`, {
    hint: "what makes git run programs is for commands: POST /v1/run",
    cause: error,
  });
}

function tooMuch(limit: number): SandboxError {
  return new SandboxError("resource_exhausted", `git wrote more than ${limit} bytes`, {
    hint: "ask for less of it, or stream it: POST /v1/run",
  });
}

function exitCodeOf({ status }: ChildExit): number {
  if (!status) return NOT_STARTED;
  return "code" in status ? status.code : SIGNALED;
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString("utf8");
}
