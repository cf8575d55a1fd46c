import { errnoText } from "../errors.ts";
import { delay, withAbort } from "../lib/abort.ts";
import type { Logger } from "../log.ts";
import type { RunEnd } from "../runs/ending.ts";
import type { Run } from "../runs/run.ts";
import { endingWords, ImageCommands, type ImageCommandsOptions, isSuccess, lastWords } from "./image-commands.ts";
import { ReadyCheck } from "./ready-check.ts";
import { RestartDelays } from "./restart-delays.ts";

export interface TemplateOptions extends ImageCommandsOptions {
  log: Logger;
  startCommand: string | undefined;
  readyCommand: string | undefined;
  restart: "never" | "on-failure" | "always";
  /** One try of the ready command that takes longer has failed; 30 s unless given. */
  tryMs?: number;
}

/** How far what the image starts has come. */
export interface TemplateState {
  /**
   * `starting` also between the end of the start command and its being ready again; `failed`: it has ended badly, or cannot be run,
   * and is not run again; `stopped`: somebody has cancelled it, and nothing is waited for any more.
   */
  state: "starting" | "ready" | "failed" | "stopped";
  /** Why it is not ready: what was tried last, and the end of what that has said. */
  why: string | undefined;
  /** The start command's newest run. */
  runId: string | undefined;
  restarts: number;
}

const TAG = "start-cmd";
const TRY_MS = 30_000;
/** What a run has left behind may hold ports and locks of the next one: it has so long to end by itself. */
const LEFTOVERS_GRACE_MS = 2000;

/** What the image wants to have running: its start command, run and kept running as it says, and whether all is ready. */
export class Template implements AsyncDisposable {
  readonly #options: TemplateOptions;
  readonly #commands: ImageCommands;
  /** At the daemon's end, and when somebody does not want the start command any more. */
  readonly #stopping = new AbortController();
  #state: TemplateState["state"];
  #why: string | undefined;
  #run: Run | undefined;
  #restarts = 0;
  #working: Promise<unknown> = Promise.resolve();

  constructor(options: TemplateOptions) {
    this.#options = options;
    this.#commands = new ImageCommands(options);
    const isThereMore = options.startCommand !== undefined || options.readyCommand !== undefined;
    this.#state = isThereMore ? "starting" : "ready";
  }

  get state(): TemplateState {
    return { state: this.#state, why: this.#why, runId: this.#run?.id, restarts: this.#restarts };
  }

  /** Begins with all of it; nothing here can fail the daemon's own start. */
  begin(): void {
    const { startCommand } = this.#options;
    this.#working =
      startCommand === undefined ? this.#untilReady(this.#stopping.signal) : this.#keepRunning(startCommand);
  }

  /** Nothing is started or tried any more; what runs is ended with all other runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #keepRunning(commandLine: string): Promise<void> {
    const delays = new RestartDelays();
    const { signal } = this.#stopping;
    for (;;) {
      const run = await this.#start(commandLine);
      const isAgain = run ? await this.#follow(run) : this.#options.restart !== "never";
      if (isAgain) await delay(delays.next(run?.end?.usage.wallMs ?? 0), signal).catch(() => undefined);
      if (!isAgain || signal.aborted) return;
      this.#restarts += 1;
    }
  }

  /** Undefined when it cannot be started, which may pass: a mount that is not there yet, too many processes. */
  async #start(commandLine: string): Promise<Run | undefined> {
    const { log, restart } = this.#options;
    try {
      const run = await this.#commands.start(commandLine, { tag: TAG });
      // The one before was removed in the meantime.
      if (this.#stopping.signal.aborted) {
        await this.#commands.remove(run);
        return undefined;
      }
      if (this.#run) this.#run.onRemoved = undefined;
      this.#run = run;
      run.onRemoved = () => this.#stop();
      log.info("start_command.started", { runId: run.id, restarts: this.#restarts });
      return run;
    } catch (error) {
      const text = errnoText(error);
      const why = `the start command cannot be started: ${text}`;
      if (why !== this.#why) log.error("start_command.failed", { error: text });
      this.#become(restart === "never" ? "failed" : "starting", why);
      return undefined;
    }
  }

  /** Sees to its being ready until it ends; resolves with whether it is to be run again. */
  async #follow(run: Run): Promise<boolean> {
    const { log } = this.#options;
    const checking = new AbortController();
    const checked = this.#untilReady(AbortSignal.any([this.#stopping.signal, checking.signal]));
    const end = await run.waitForEnd(this.#stopping.signal).catch(() => undefined);
    if (end) log.info("start_command.ended", { runId: run.id, ending: end.ending.type });
    const isAgain = end !== undefined && this.#isWanted(end);
    // One that has done its work may have started what is to be ready.
    if (end && (isAgain || !isSuccess(end))) checking.abort();
    if (!isAgain) run.onRemoved = undefined;
    await checked;
    if (!end || this.#stopping.signal.aborted) return false;
    if (!isAgain && isSuccess(end)) return false;
    if (end.ending.type === "cancelled") this.#stop();
    else this.#become(isAgain ? "starting" : "failed", await endText(run, end));
    if (isAgain) await this.#endLeftovers(run);
    return isAgain;
  }

  /** Whether it is to be run again. Whoever cancels it does not want that. */
  #isWanted(end: RunEnd): boolean {
    if (end.ending.type === "cancelled") return false;
    const { restart } = this.#options;
    return restart === "always" || (restart === "on-failure" && !isSuccess(end));
  }

  async #endLeftovers(run: Run): Promise<void> {
    const { runs, log } = this.#options;
    const reason = { type: "cancelled", by: "the restart of the start command" } as const;
    const ending = runs.terminate(run, reason, { graceMs: LEFTOVERS_GRACE_MS });
    const survivors = await withAbort(ending, this.#stopping.signal).catch(() => []);
    if (survivors.length > 0) log.warn("start_command.leftovers", { runId: run.id, survivors: survivors.join() });
  }

  /** Resolves when all is ready, or `signal` aborts. */
  async #untilReady(signal: AbortSignal): Promise<void> {
    const { readyCommand: commandLine, log, tryMs = TRY_MS } = this.#options;
    if (commandLine === undefined) return this.#become("ready");
    const onFailure = (why: string): void => this.#become("starting", `the ready command: ${why}`);
    const check = new ReadyCheck({ commands: this.#commands, log, commandLine, tryMs, onFailure });
    if (await check.waitUntilReady(signal)) this.#become("ready");
  }

  /** Somebody has cancelled the start command, or removed it while it waited for its next run. */
  #stop(): void {
    this.#become("stopped");
    this.#stopping.abort();
  }

  #become(state: TemplateState["state"], why?: string): void {
    if (this.#state === "stopped") return;
    this.#state = state;
    this.#why = why;
  }
}

async function endText(run: Run, end: RunEnd): Promise<string> {
  const said = await lastWords(run);
  return `the start command has ended: ${endingWords(end)}${said === "" ? "" : `: ${said}`}`;
}
