import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { errnoText } from "../errors.ts";
import type { Logger } from "../log.ts";
import { returnFreeMemory } from "./libc.ts";

/** So long nobody has been answered: collecting takes some milliseconds in which nobody would be. */
const CALM_MS = 1000;

type Collect = (options: { type: "major"; execution: "async" }) => Promise<void>;

/**
 * Gives back what starting has left behind, once, in the first calm moment: V8 keeps that for as long as nothing new is made, which
 * in an idle daemon is for good.
 */
export class StartGarbage implements Disposable {
  readonly #log: Logger;
  readonly #giveBack: () => Promise<void>;
  #isCalm = true;
  #isDisposed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ log, giveBack = collectAndReturn }: { log: Logger; giveBack?: () => Promise<void> }) {
    this.#log = log;
    this.#giveBack = giveBack;
  }

  /** Somebody was answered. */
  noteWork(): void {
    this.#isCalm = false;
  }

  /** All that starts with the daemon has started. */
  begin(): void {
    if (this.#isDisposed) return;
    this.#timer = setInterval(() => this.#look(), CALM_MS).unref();
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#isCalm) {
      clearInterval(this.#timer);
      this.#giveBack().catch((error: unknown) => {
        this.#log.warn("memory.not_returned", { error: errnoText(error) });
      });
    }
    this.#isCalm = true;
  }
}

async function collectAndReturn(): Promise<void> {
  await collectGarbage();
  await returnFreeMemory();
}

/** Node has no other way to ask for it; programs and cells never see it. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  await collect({ type: "major", execution: "async" });
}
