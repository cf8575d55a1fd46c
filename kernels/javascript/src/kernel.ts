import { Cells } from "./cell.ts";
import type { Channel } from "./channel.ts";
import { Display } from "./display.ts";
import { changeEnvironment, enterFolder } from "./environment.ts";
import { installModules } from "./modules.ts";
import type { Request } from "./requests.ts";
import { Interrupt, ProcessExit } from "./traces.ts";

/**
 * Answers guestd's requests in their order. What comes next is never in a promise chain: a cell that is
 * terminated takes queued reactions with it.
 */
export class Kernel {
  readonly #channel: Channel;
  readonly #cells: Cells;
  readonly #queue: Request[] = [];
  readonly #exit = process.exit.bind(process);
  #isBusy = false;
  #hasEnded = false;
  #count = 1;

  constructor(channel: Channel, language: string) {
    this.#channel = channel;
    const display = new Display(channel);
    this.#cells = new Cells({ channel, display, isTypeScript: language === "typescript" });
    installModules();
    display.install();
    this.#takeOverProcess();
  }

  accept(request: Request): void {
    this.#queue.push(request);
    this.#next();
  }

  /** No more requests: leaves when the cell that runs has ended. */
  end(): void {
    this.#hasEnded = true;
    this.#next();
  }

  #next(): void {
    if (this.#isBusy) return;
    const request = this.#queue.shift();
    if (!request) {
      if (this.#hasEnded) this.#exit(0);
      return;
    }
    if (request.op === "hello") this.#channel.greet(request.text);
    else if (request.op === "adopt") this.#adopt(request);
    else if (request.op === "execute") {
      void this.#execute(request);
      return;
    }
    this.#next();
  }

  #adopt({ id, text, variables }: Request): void {
    changeEnvironment(variables);
    this.#channel.adopted(id, text === "" ? undefined : enterFolder(text));
  }

  /** Never rejects, as a cell never does. */
  async #execute({ id, text, variables }: Request): Promise<void> {
    this.#isBusy = true;
    await lateSignals();
    const restore = changeEnvironment(variables);
    this.#channel.begin(id, this.#count);
    const status = await this.#cells.run(text, this.#count);
    restore();
    if (text.trim() !== "") this.#count += 1;
    this.#channel.end(status);
    this.#isBusy = false;
    setImmediate(() => this.#next());
  }

  /** What user code does to the whole process ends its cell at most. */
  #takeOverProcess(): void {
    process.exit = (code) => {
      throw new ProcessExit(String(code ?? process.exitCode ?? 0));
    };
    process.on("SIGINT", () => this.#cells.stop(new Interrupt()));
    process.on("uncaughtException", (error) => this.#complain("Uncaught", error));
    process.on("unhandledRejection", (error) => this.#complain("Uncaught (in promise)", error));
  }

  #complain(what: string, error: unknown): void {
    if (error instanceof ProcessExit && this.#cells.stop(error)) return;
    process.stderr.write(`${what} ${this.#cells.traces.text(error)}\n`);
  }
}

/** Resolves when a signal that was meant for the cell before has been noticed: the loop looks for them between its turns. */
async function lateSignals(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
