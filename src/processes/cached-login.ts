import { hash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Launcher, ProgramSpec } from "../host/launcher.ts";
import type { Logger } from "../log.ts";
import { captureLogin, type LoginCapture } from "./login/capture-login.ts";
import { usualFiles, WatchedFiles } from "./login/watched-files.ts";

/** One way to log in: as somebody, somewhere, with an environment. */
interface Login {
  starts: number;
  capture: LoginCapture | undefined;
  capturedAt: number;
  /** Not before this is it captured again. */
  nextAt: number;
  isCapturing: boolean;
  /** It was wanted again after it was captured. */
  isWantedAgain: boolean;
}

const MAX_LOGINS = 64;
const MAX_CAPTURES = 2;
const CAPTURE_MS = 10_000;
/** Environments of such a size are rare, and costly to compare. */
const MAX_KEY_LENGTH = 256 * 1024;
/** What a profile looks at and no trace tells, such as the date, is looked at again after this long, in the background. */
const REFRESH_MS = 30_000;
/** After this long without use or refresh a login is real again. */
const MAX_AGE_MS = 60_000;
/** A login that cannot be replaced is tried again after this long, or when its files change. */
const RETRY_MS = 300_000;
/** Capturing takes at most this part of the time, whatever changes how often; less where it was of no use. */
const DUTY = 0.1;
const VAIN_DUTY = 0.02;
/** So many logins are captured at their first start without being wanted again; after that, only at a second one. */
const MAX_CREDIT = 8;

const BASH = new Set(["bash", "/bin/bash", "/usr/bin/bash"]);
/** With these a shell reads other files when it is no login shell, or none but theirs. */
const REFUSED = ["BASH_ENV", "BASH_XTRACEFD", "SSH_CLIENT", "SSH2_CLIENT"];

/**
 * Runs `bash -l -c X` as `bash -c X` in the environment that the profile would make, where a trial has shown that X cannot
 * tell the difference. A login that was not tried, or failed, is real; trials run in the background, a few at a time.
 */
export class CachedLogin implements AsyncDisposable {
  readonly #launcher: Launcher;
  readonly #log: Logger;
  /** The one that was used last comes last. */
  readonly #logins = new Map<string, Login>();
  readonly #captures = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #credit = MAX_CREDIT;

  constructor(deps: { launcher: Launcher; log: Logger }) {
    this.#launcher = deps.launcher;
    this.#log = deps.log;
  }

  /** The program to start in place of `program`: the same, unless it is a login that is known to be replaceable. */
  rewrite(program: ProgramSpec): ProgramSpec {
    const key = isLogin(program) && !this.#stop.signal.aborted ? keyOf(program) : undefined;
    if (key === undefined) return program;
    const login = this.#find(key);
    login.starts += 1;
    this.#noteUse(login);
    const environment = currentEnvironment(login);
    if (this.#isDue(login, environment !== undefined)) this.#begin(login, program);
    if (!environment) return program;
    const [bash, , , commandLine = ""] = program.argv;
    return { ...program, argv: [bash, "-c", commandLine], env: environment };
  }

  /** Ends trials that are under way; nothing of them is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("shutdown of guestd"));
    await Promise.all(this.#captures);
  }

  #find(key: string): Login {
    const found = this.#logins.get(key);
    const login = found ?? {
      starts: 0,
      capture: undefined,
      capturedAt: 0,
      nextAt: 0,
      isCapturing: false,
      isWantedAgain: false,
    };
    this.#logins.delete(key);
    this.#logins.set(key, login);
    const [oldest] = this.#logins.keys();
    if (this.#logins.size > MAX_LOGINS && oldest !== undefined) this.#logins.delete(oldest);
    return login;
  }

  #noteUse(login: Login): void {
    if (!login.capture || login.isWantedAgain) return;
    login.isWantedAgain = true;
    this.#credit = Math.min(MAX_CREDIT, this.#credit + 1);
  }

  /** Whether `login` should be captured now. */
  #isDue(login: Login, isCurrent: boolean): boolean {
    const { capture, capturedAt, nextAt, isCapturing, starts } = login;
    const now = performance.now();
    if (isCapturing || now < nextAt || this.#captures.size >= MAX_CAPTURES) return false;
    if (!capture) return starts > 1 || this.#credit > 0;
    if (isCurrent) return now - capturedAt > REFRESH_MS;
    return capture.environment !== undefined || now - capturedAt > RETRY_MS || !capture.files.isCurrent();
  }

  #begin(login: Login, program: ProgramSpec): void {
    if (!login.capture && login.starts === 1) this.#credit -= 1;
    login.isCapturing = true;
    const capture = this.#capture(login, program).finally(() => {
      login.isCapturing = false;
      this.#captures.delete(capture);
    });
    this.#captures.add(capture);
  }

  /** Never rejects. The program itself is started first. */
  async #capture(login: Login, program: ProgramSpec): Promise<void> {
    await nextTurn();
    const { uid } = program.identity;
    const beganAt = performance.now();
    const deadline = new AbortController();
    using _timer = this.#launcher.clock.timeout(() => deadline.abort(), CAPTURE_MS);
    const signal = AbortSignal.any([this.#stop.signal, deadline.signal]);
    try {
      login.capture = await captureLogin({ launcher: this.#launcher, program, signal });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const differs = deadline.signal.aborted ? "time" : "start";
      login.capture = { environment: undefined, differs, files: new WatchedFiles(usualFiles(program)) };
      if (!deadline.signal.aborted) this.#log.debug("login.capture_failed", { uid, error: String(error) });
    }
    login.capturedAt = performance.now();
    const durationMs = Math.round(login.capturedAt - beganAt);
    const { differs, files } = login.capture;
    login.nextAt = login.capturedAt + durationMs / (differs === undefined ? DUTY : VAIN_DUTY);
    const fields = { uid, durationMs, files: files.size };
    if (differs === undefined) this.#log.debug("login.captured", fields);
    else this.#log.debug("login.not_cached", { ...fields, differs });
  }
}

/** What a replaced login is started with; undefined when it must be real. */
function currentEnvironment({ capture, capturedAt }: Login): LoginCapture["environment"] {
  if (!capture?.environment || performance.now() - capturedAt > MAX_AGE_MS) return undefined;
  return capture.files.isCurrent() ? capture.environment : undefined;
}

function isLogin({ argv, env, terminal }: ProgramSpec): boolean {
  const [bash, login, command] = argv;
  if (terminal || argv.length !== 4 || !BASH.has(bash) || login !== "-l" || command !== "-c") return false;
  return env["HOME"]?.startsWith("/") === true && !REFUSED.some((name) => Object.hasOwn(env, name));
}

/** Equal for programs whose logins are the same; undefined when it would be too much to compare. */
function keyOf({ argv, identity, cwd, hasStdin, env }: ProgramSpec): string | undefined {
  const { uid, gid, groups } = identity;
  const text = JSON.stringify([argv[0], uid, gid, groups, cwd, hasStdin, Object.entries(env)]);
  return text.length > MAX_KEY_LENGTH ? undefined : hash("sha256", text, "base64");
}
