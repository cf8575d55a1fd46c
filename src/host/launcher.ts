import { accessSync, constants, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { SandboxError } from "../errors.ts";
import { awakeClock } from "../lib/awake-clock.ts";
import { ProgramClock } from "../lib/program-clock.ts";
import type { OutputSink } from "./child.ts";
import { Freezer } from "./freezer.ts";
import { reap } from "./libc.ts";
import { Orphans } from "./orphans.ts";
import type { ByteSink } from "./output-pipe.ts";
import { INSTALL_AGAIN } from "./package-root.ts";
import { startPipeChild } from "./pipe-child.ts";
import { terminateTree } from "./process-group.ts";
import type { ProgramChild } from "./program-child.ts";
import { startPtyChild } from "./pty-child.ts";
import type { TerminalSize } from "./pty.ts";
import type { ShimHost, ShimOptions } from "./shim/shim.ts";
import type { Identity } from "./users.ts";

/** Soft limit of open descriptors: far above what select(2) can take, far below what makes "close all" loops slow. */
const OPEN_FILES = 65_536;
/** Programs go first when memory runs out, the daemon last. */
const OOM_SCORE_ADJ = 100;

/** After a shim's report has ended, how long its exit may take: normally microseconds. */
const REAP_WAIT_MS = 1000;

/** What to run, as whom and where; everything is resolved. */
export interface ProgramSpec {
  argv: readonly [string, ...string[]];
  env: Readonly<Record<string, string>>;
  cwd: string;
  identity: Identity;
  hasStdin: boolean;
  /** In a terminal of this size instead of on pipes. */
  terminal?: TerminalSize | undefined;
}

export interface StartOptions {
  /** The program gets two pipes more, for a protocol of its own, and does not outlive the daemon. */
  onChannel?: ByteSink | undefined;
  /** Ends the wait for a thaw, and nothing else. */
  signal?: AbortSignal | undefined;
}

/** Starts programs through the shim and reaps the shims. One per daemon: it listens for SIGCHLD. */
export class Launcher implements ShimHost, AsyncDisposable {
  readonly shimPath: string;
  /** What limits of programs count by. */
  readonly clock = new ProgramClock();
  /** Freezes and thaws all programs. */
  readonly freezer: Freezer;
  readonly #uid = process.geteuid?.() ?? 0;
  readonly #oomScoreAdj = Math.max(OOM_SCORE_ADJ, ownOomScoreAdj());
  readonly #niceness = getPriority() < 0 ? 0 : undefined;
  /** Shims with something left to watch, with the end of that. */
  readonly #live = new Map<number, Promise<void>>();
  /** Shims whose report pipe has closed: they have exited or are about to. */
  readonly #exiting = new Set<number>();
  #startsUnderWay = 0;
  readonly #orphans = new Orphans((pid) => this.#live.has(pid) || this.#exiting.has(pid));
  readonly #onChild = (): void => {
    this.#reapExiting();
    this.#orphans.noteChild();
  };

  constructor(options: { shimPath: string }) {
    this.shimPath = options.shimPath;
    this.freezer = new Freezer({
      shims: () => [...this.#live.keys()],
      startsUnderWay: () => this.#startsUnderWay,
      clock: this.clock,
    });
    process.on("SIGCHLD", this.#onChild);
  }

  /** Whether programs can run as other users than the daemon's own. */
  get canSwitchUser(): boolean {
    return this.#uid === 0;
  }

  /** Why what outlives its parent is lost to its run; undefined where it is not. */
  get orphansRefusal(): string | undefined {
    return this.#orphans.refusal;
  }

  /** @throws SandboxError unavailable when the shim was not built or cannot be run */
  checkShim(): void {
    try {
      accessSync(this.shimPath, constants.X_OK);
    } catch (error) {
      throw new SandboxError("unavailable", `the shim ${this.shimPath} cannot be run`, {
        cause: error,
        hint: INSTALL_AGAIN,
      });
    }
  }

  /**
   * Starts a program on pipes or in a terminal. While programs are frozen it waits.
   * @throws SandboxError permission_denied when the daemon is not root and `identity` is somebody else; the reason of `signal`
   */
  async start(program: ProgramSpec, sink: OutputSink, { onChannel, signal }: StartOptions = {}): Promise<ProgramChild> {
    const { argv, hasStdin, terminal } = program;
    const options = { ...this.#options(program), diesWithDaemon: onChannel !== undefined };
    const env = envList(program.env);
    if (this.freezer.isFrozen) await this.freezer.untilThawed(signal);
    this.#startsUnderWay += 1;
    try {
      const child = terminal
        ? await startPtyChild(this, { argv, env, size: terminal }, options, sink)
        : await startPipeChild(this, { argv, env, hasStdin, onChannel }, options, sink);
      this.#follow(child);
      return child;
    } finally {
      this.#startsUnderWay -= 1;
      this.freezer.noteChange();
    }
  }

  /** Looks after a program whose shim is a fork server's child, which reaps it: it ends with the daemon like all others. */
  watch(child: ProgramChild): void {
    this.#live.set(child.shimPid, child.gone);
    void child.gone.then(() => this.#live.delete(child.shimPid));
    this.#follow(child);
    this.freezer.noteChange();
  }

  adopt(shimPid: number, gone: Promise<void>): void {
    this.#live.set(shimPid, gone);
    void gone.then(() => {
      this.#live.delete(shimPid);
      this.#exiting.add(shimPid);
      this.#reapExiting();
    });
  }

  /** Ends whatever programs left running in the background, also of runs that were forgotten, and reaps all shims. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.freezer[Symbol.asyncDispose]();
    const trees = [...this.#live].map(([shimPid, gone]) => ({ pid: -1, shimPid, gone, hasEnded: true }));
    await Promise.all(trees.map((tree) => terminateTree(tree, { signal: "SIGTERM", graceMs: 500, killWaitMs: 1000 })));
    await this.#reapRest();
    this.#orphans[Symbol.dispose]();
    process.off("SIGCHLD", this.#onChild);
  }

  #follow(child: ProgramChild): void {
    void child.ended.then(() => this.freezer.noteChange());
    void child.exit.then(({ status }) => {
      if (!status) this.#orphans.endSession(child.pid);
    });
  }

  #options({ identity, cwd }: ProgramSpec): ShimOptions {
    if (!this.canSwitchUser && identity.uid !== this.#uid) throw notSwitchable(identity, this.#uid);
    return {
      identity: this.canSwitchUser ? identity : undefined,
      cwd,
      openFiles: OPEN_FILES,
      oomScoreAdj: this.#oomScoreAdj,
      niceness: this.#niceness,
    };
  }

  /** Nobody would reap them later. The timer keeps this process alive so long. */
  async #reapRest(): Promise<void> {
    const deadline = awakeClock.now() + REAP_WAIT_MS;
    this.#reapExiting();
    while (this.#exiting.size > 0 && awakeClock.now() < deadline) {
      await pause(1);
      this.#reapExiting();
    }
  }

  #reapExiting(): void {
    for (const pid of this.#exiting) {
      if (reap(pid) !== undefined) this.#exiting.delete(pid);
    }
  }
}

function notSwitchable(identity: Identity, uid: number): SandboxError {
  return new SandboxError(
    "permission_denied",
    `cannot run as '${identity.name}': guestd runs as uid ${uid}, and only root can switch users`,
    {
      reason: "user_not_switchable",
      hint: "start guestd as root, or ask for no user",
    },
  );
}

function envList(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

function ownOomScoreAdj(): number {
  try {
    return Number(readFileSync("/proc/self/oom_score_adj", "latin1"));
  } catch {
    return 0; // no such file: nothing to be relative to
  }
}
