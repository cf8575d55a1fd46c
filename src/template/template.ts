import { setTimeout as pause } from "node:timers/promises";
import { errnoText } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Processes } from "../processes/processes.ts";
import type { RunEnd } from "../runs/ending.ts";
import type { Run } from "../runs/run.ts";
import type { Runs } from "../runs/runs.ts";

export interface TemplateOptions {
  processes: Processes;
  runs: Runs;
  log: Logger;
  startCommand: string | undefined;
  readyCommand: string | undefined;
  restart: "never" | "on-failure" | "always";
  /** How a command line is run: program and arguments. */
  shell: (commandLine: string) => { cmd: string; args: readonly string[] };
}

/** How far what the image starts has come. */
export interface TemplateState {
  /** `failed`: the start command has ended badly and is not run again, or cannot be run. */
  state: "starting" | "ready" | "failed";
  /** The start command's newest run. */
  runId: string | undefined;
  restarts: number;
}

const TAG = "start-cmd";
/** Between two tries of the ready command. */
const TRY_EVERY_MS = 250;
/** One try that takes longer has failed. */
const TRY_MS = 30_000;
/** Before a restart: doubled each time, and back at the first after it has run for as long as the last. */
const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 10_000;

/** What the image wants to have running: its start command, run and kept running as it says, and whether all is ready. */
export class Template implements AsyncDisposable {
  readonly #options: TemplateOptions;
  readonly #stopping = new AbortController();
  #run: Run | undefined;
  #restarts = 0;
  #isReady = false;
  #hasFailed = false;
  #working: Promise<unknown> = Promise.resolve();

  constructor(options: TemplateOptions) {
    this.#options = options;
  }

  get state(): TemplateState {
    const state = this.#hasFailed ? "failed" : this.#isReady ? "ready" : "starting";
    return { state, runId: this.#run?.id, restarts: this.#restarts };
  }

  /** Begins with all of it; nothing here can fail the daemon's own start. */
  begin(): void {
    const { startCommand, readyCommand } = this.#options;
    const started = startCommand === undefined ? Promise.resolve() : this.#keepRunning(startCommand);
    const ready = readyCommand === undefined ? undefined : this.#waitUntilReady(readyCommand);
    if (startCommand === undefined && readyCommand === undefined) this.#isReady = true;
    this.#working = Promise.all([started, ready]);
  }

  /** Nothing is started or tried any more; what runs is ended with all other runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #keepRunning(command: string): Promise<void> {
    const { log, readyCommand } = this.#options;
    let delayMs = FIRST_RESTART_MS;
    while (!this.#stopping.signal.aborted) {
      try {
        this.#run = await this.#start(command, TAG);
      } catch (error) {
        this.#hasFailed = true;
        return log.error("start_command.failed", { error: errnoText(error) });
      }
      log.info("start_command.started", { runId: this.#run.id, restarts: this.#restarts });
      if (readyCommand === undefined) this.#isReady = true;
      const end = await this.#endOf(this.#run);
      if (!end) return;
      log.info("start_command.ended", { runId: this.#run.id, ending: end.ending.type });
      if (!this.#isWanted(end)) return void (this.#hasFailed = !isSuccess(end));
      if (end.usage.wallMs > LAST_RESTART_MS) delayMs = FIRST_RESTART_MS;
      await this.#pause(delayMs);
      delayMs = Math.min(delayMs * 2, LAST_RESTART_MS);
      this.#restarts += 1;
    }
  }

  /** Whether it is to be run again. Whoever cancels it does not want that. */
  #isWanted(end: RunEnd): boolean {
    if (end.ending.type === "cancelled") return false;
    const { restart } = this.#options;
    return restart === "always" || (restart === "on-failure" && !isSuccess(end));
  }

  async #waitUntilReady(command: string): Promise<void> {
    const began = performance.now();
    while (!this.#stopping.signal.aborted && !(await this.#try(command))) await this.#pause(TRY_EVERY_MS);
    if (this.#stopping.signal.aborted) return;
    this.#isReady = true;
    this.#options.log.info("ready_command.succeeded", { ms: Math.round(performance.now() - began) });
  }

  /** One try; its run is only kept while it lasts. */
  async #try(command: string): Promise<boolean> {
    const { runs, log } = this.#options;
    try {
      const run = await this.#start(command, undefined, TRY_MS);
      const end = await this.#endOf(run);
      if (end) await runs.remove(run, "guestd");
      return end !== undefined && isSuccess(end);
    } catch (error) {
      log.debug("ready_command.failed", { error: errnoText(error) });
      return false;
    }
  }

  #start(commandLine: string, tag: string | undefined, wallMs?: number): Promise<Run> {
    const { processes, shell } = this.#options;
    const nothing = { envs: {}, cwd: undefined, user: undefined, hasStdin: false };
    const deadlines = wallMs === undefined ? undefined : { wallMs };
    return processes.start({ ...shell(commandLine), ...nothing, tag, deadlines });
  }

  /** Undefined when the daemon ends first. */
  async #endOf(run: Run): Promise<RunEnd | undefined> {
    return run.waitForEnd(this.#stopping.signal).catch(() => undefined);
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}

function isSuccess({ ending }: RunEnd): boolean {
  return ending.type === "exited" && ending.code === 0;
}
