import { errnoText } from "../errors.ts";
import { delay } from "../lib/abort.ts";
import type { Logger } from "../log.ts";
import { endingWords, type ImageCommands, isSuccess, lastWords } from "./image-commands.ts";

export interface ReadyCheckOptions {
  commands: ImageCommands;
  log: Logger;
  commandLine: string;
  /** One try that takes longer has failed. */
  tryMs: number;
  /** Hears of each try that fails, and why. */
  onFailure: (why: string) => void;
}

const TAG = "ready-cmd";
/** Between two tries: a twentieth of the time that it has taken so far, within these. */
const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/** Why a try has failed: how, and what it has said. */
interface Failure {
  how: string;
  said: string;
}

/** The command that succeeds once the sandbox is ready, tried until then. */
export class ReadyCheck {
  readonly #options: ReadyCheckOptions;

  constructor(options: ReadyCheckOptions) {
    this.#options = options;
  }

  /** Resolves with true when a try has succeeded, with false when `signal` aborts first; nothing of a try is left then. */
  async waitUntilReady(signal: AbortSignal): Promise<boolean> {
    const { log, onFailure } = this.#options;
    const began = performance.now();
    let told: string | undefined;
    while (!signal.aborted) {
      const failure = await this.#try(signal);
      if (signal.aborted) break;
      const ms = Math.round(performance.now() - began);
      if (!failure) {
        log.info("ready_command.succeeded", { ms });
        return true;
      }
      onFailure(failure.said === "" ? failure.how : `${failure.how}: ${failure.said}`);
      if (failure.how !== told) log.info("ready_command.failed", { error: failure.how });
      told = failure.how;
      const pauseMs = Math.min(Math.max(ms / 20, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
      await delay(pauseMs, signal).catch(() => undefined);
    }
    return false;
  }

  /** One try; its run is only kept while it lasts. */
  async #try(signal: AbortSignal): Promise<Failure | undefined> {
    const { commands, commandLine, tryMs: wallMs } = this.#options;
    try {
      const run = await commands.start(commandLine, { tag: TAG, wallMs });
      try {
        const end = await run.waitForEnd(signal);
        return isSuccess(end) ? undefined : { how: endingWords(end), said: await lastWords(run) };
      } finally {
        await commands.remove(run);
      }
    } catch (error) {
      await commands.forgetUnstarted(TAG);
      return { how: `it could not be started: ${errnoText(error)}`, said: "" };
    }
  }
}
