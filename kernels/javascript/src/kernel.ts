import { Cells } from "./cell.ts";
import type { Channel } from "./channel.ts";
import { Display } from "./display.ts";
import { changeEnvironment, enterFolder } from "./environment.ts";
import type { Interrupts } from "./interrupts.ts";
import { installModules } from "./modules.ts";
import { reseed } from "./reseed.ts";
import type { Request } from "./requests.ts";
import { Interrupt, ProcessExit } from "./traces.ts";

export interface KernelOptions {
  channel: Channel;
  interrupts: Interrupts;
  language: string;
}

/**
 * Answers guestd's requests in their order. What it does is never in a promise chain or an immediate: code that is terminated takes
 * queued reactions and callbacks with it. `accept`, `end` and `interrupt` are called shielded.
 */
export class Kernel {
  readonly #channel: Channel;
  readonly #interrupts: Interrupts;
  readonly #cells: Cells;
  readonly #queue: Request[] = [];
  readonly #exit = process.exit.bind(process);
  #isBusy = false;
  #hasEnded = false;
  #count = 1;

  constructor({ channel, interrupts, language }: KernelOptions) {
    this.#channel = channel;
    this.#interrupts = interrupts;
    const display = new Display(channel);
    this.#cells = new Cells({ channel, interrupts, display, isTypeScript: language === "typescript" });
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

  /** Ends the cell that runs. */
  interrupt(): void {
    this.#cells.stop(new Interrupt());
  }

  #next(): void {
    for (;;) {
      if (this.#isBusy) return;
      const request = this.#queue.shift();
      if (request) this.#answer(request);
      else if (this.#hasEnded) this.#exit(0);
      else return;
    }
  }

  #answer(request: Request): void {
    if (request.op === "hello") this.#greet(request);
    else if (request.op === "adopt") this.#adopt(request);
    else if (request.op === "reseed") reseed(request.text, this.#interrupts);
    else if (request.op === "execute") this.#execute(request);
  }

  #greet({ text }: Request): void {
    this.#channel.greet(text);
    this.#interrupts.soon(() => this.#cells.warmUp());
  }

  #adopt({ id, text, variables }: Request): void {
    changeEnvironment(variables);
    this.#channel.adopted(id, text === "" ? undefined : enterFolder(text));
  }

  #execute({ id, text, variables }: Request): void {
    this.#isBusy = true;
    this.#interrupts.begin();
    const restore = changeEnvironment(variables);
    this.#channel.begin(id, this.#count);
    this.#cells.run(text, this.#count, (status) => {
      restore();
      if (text.trim() !== "") this.#count += 1;
      this.#channel.end(status);
      this.#isBusy = false;
      this.#next();
    });
  }

  /** What user code does to the whole process ends its cell at most. */
  #takeOverProcess(): void {
    process.exit = (code) => {
      throw new ProcessExit(String(code ?? process.exitCode ?? 0));
    };
    process.on("uncaughtException", (error) => this.#complain("Uncaught", error));
    process.on("unhandledRejection", (error) => this.#complain("Uncaught (in promise)", error));
  }

  #complain(what: string, error: unknown): void {
    if (error instanceof ProcessExit && this.#cells.stop(error)) return;
    process.stderr.write(`${what} ${this.#cells.traces.text(error)}\n`);
  }
}
