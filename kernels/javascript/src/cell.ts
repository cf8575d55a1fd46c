import { setImmediate } from "node:timers/promises";
import { types } from "node:util";
import type { CellError, Channel, MimeBundle } from "./channel.ts";
import { Declarations } from "./declarations.ts";
import type { Display } from "./display.ts";
import { Evaluator } from "./evaluator.ts";
import { describe, inspectValue } from "./mime.ts";
import { rewriteCell } from "./rewrite.ts";
import { Interrupt, type ProcessExit, Traces } from "./traces.ts";
import { toJavaScript } from "./typescript.ts";

export interface CellsOptions {
  channel: Channel;
  display: Display;
  isTypeScript: boolean;
}

/** Runs cells, one at a time; what ends one from outside is an interrupt or a call of `process.exit`. */
export class Cells {
  readonly #channel: Channel;
  readonly #display: Display;
  readonly #isTypeScript: boolean;
  readonly #declarations = new Declarations();
  readonly #evaluator = new Evaluator();
  readonly traces = new Traces();
  #stop: ((reason: Interrupt | ProcessExit) => void) | undefined;

  constructor({ channel, display, isTypeScript }: CellsOptions) {
    this.#channel = channel;
    this.#display = display;
    this.#isTypeScript = isTypeScript;
  }

  /** Ends the cell that runs; false when none does. */
  stop(reason: Interrupt | ProcessExit): boolean {
    this.#stop?.(reason);
    return this.#stop !== undefined;
  }

  /** Runs a cell and sends what it says. Never rejects. */
  async run(source: string, count: number): Promise<"ok" | "error" | "interrupted"> {
    const stopped = Promise.withResolvers<never>();
    stopped.promise.catch(() => {}); // nobody may be waiting
    this.#stop = stopped.reject;
    try {
      const error = await Promise.race([this.#evaluate(source, count), stopped.promise]);
      // Rejections that nobody handles are told before the cell ends.
      await Promise.race([setImmediate(), stopped.promise]);
      if (!error) return "ok";
      this.#channel.error(error);
      return "error";
    } catch (thrown) {
      this.#channel.error(this.traces.describe(thrown));
      return thrown instanceof Interrupt ? "interrupted" : "error";
    } finally {
      this.#stop = undefined;
    }
  }

  async #evaluate(source: string, count: number): Promise<CellError | undefined> {
    const name = `cell-${count}.${this.#isTypeScript ? "ts" : "js"}`;
    const { code: plain, map } = this.#isTypeScript ? toJavaScript(source) : { code: source };
    if (map) this.traces.addMap(name, map);
    const { code, hasValue, declared } = rewriteCell(plain, this.#declarations);
    const { value, thrownAt } = await this.#evaluator.evaluate(code, name);
    const isRefused = thrownAt !== undefined && isSyntaxErrorOf(value);
    if (!isRefused) this.#declarations.remember(declared);
    if (thrownAt) {
      const error = this.traces.describe(value);
      if (!isRefused) return error;
      return { ...error, traceback: showPlace(error, { name, source, ...thrownAt }) };
    }
    if (hasValue) await this.#show(types.isPromise(value) ? await value : value);
    await this.#display.settled();
    return undefined;
  }

  async #show(value: unknown): Promise<void> {
    if (value === undefined) return;
    this.#channel.result(await this.#describe(value), true);
  }

  /** A value that cannot show itself degrades to its text. */
  async #describe(value: unknown): Promise<MimeBundle> {
    try {
      return await describe(value);
    } catch (error) {
      process.stderr.write(`cannot show the value: ${this.traces.text(error)}\n`);
      return { "text/plain": inspectValue(value) };
    }
  }
}

/** Whether V8 refused the cell itself: such an error has no frame of a cell. */
function isSyntaxErrorOf(value: unknown): boolean {
  return value instanceof SyntaxError && !/cell-\d+\.[jt]s/.test(value.stack ?? "");
}

function showPlace(error: CellError, place: { name: string; source: string; line: number; column: number }): string {
  const { name, source, line, column } = place;
  const text = source.split("\n")[line] ?? "";
  return `${name}:${line + 1}\n${text}\n${" ".repeat(column)}^\n\n${error.name}: ${error.value}`;
}
