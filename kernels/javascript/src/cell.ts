import { types } from "node:util";
import type { CellError, Channel, MimeBundle } from "./channel.ts";
import { Declarations, type Kind } from "./declarations.ts";
import type { Display } from "./display.ts";
import { Evaluator } from "./evaluator.ts";
import type { Interrupts } from "./interrupts.ts";
import { describe, inspectValue } from "./mime.ts";
import { rewriteCell } from "./rewrite.ts";
import { Interrupt, type ProcessExit, Traces } from "./traces.ts";
import { toJavaScript } from "./typescript.ts";

export interface CellsOptions {
  channel: Channel;
  interrupts: Interrupts;
  display: Display;
  isTypeScript: boolean;
}

type Status = "ok" | "error" | "interrupted";

/** A cell that runs. */
interface Cell {
  source: string;
  name: string;
  /** What it declares, once V8 reads it. */
  declared?: ReadonlyMap<string, Kind>;
  onEnd: (status: Status) => void;
}

/** Runs cells, one at a time; what ends one from outside is an interrupt or a call of `process.exit`. */
export class Cells {
  readonly #channel: Channel;
  readonly #interrupts: Interrupts;
  readonly #display: Display;
  readonly #isTypeScript: boolean;
  readonly #declarations = new Declarations();
  readonly #evaluator = new Evaluator();
  readonly traces = new Traces();
  /** What an ended cell still does after its end (a promise it waited for resolves) is nobody's. */
  #current: Cell | undefined;

  constructor({ channel, interrupts, display, isTypeScript }: CellsOptions) {
    this.#channel = channel;
    this.#interrupts = interrupts;
    this.#display = display;
    this.#isTypeScript = isTypeScript;
  }

  /** Loads what the first cell would wait for: Node's own TypeScript takes longest. */
  warmUp(): void {
    const cell = "0";
    rewriteCell(this.#isTypeScript ? toJavaScript(cell).code : cell, this.#declarations);
  }

  /** Ends the cell that runs; false when none does. */
  stop(reason: Interrupt | ProcessExit): boolean {
    const cell = this.#current;
    if (cell) this.#end(cell, reason instanceof Interrupt ? "interrupted" : "error", this.traces.describe(reason));
    return cell !== undefined;
  }

  /** Runs a cell, sends what it says, and calls `onEnd` once, also when the cell is terminated and `stop` is called. */
  run(source: string, count: number, onEnd: (status: Status) => void): void {
    const cell: Cell = { source, name: `cell-${count}.${this.#isTypeScript ? "ts" : "js"}`, onEnd };
    this.#current = cell;
    // On a stack of its own: termination unwinds all of it. An interrupt may come first.
    process.nextTick(() => {
      if (this.#current === cell) void this.#attempt(cell);
    });
  }

  /** Never rejects. */
  async #attempt(cell: Cell): Promise<void> {
    const [status, error] = await this.#outcome(cell);
    this.#interrupts.shield(() => {
      // Rejections that nobody handles are told before the cell ends.
      if (this.#current === cell) this.#interrupts.soon(() => this.#end(cell, status, error));
    });
  }

  #end(cell: Cell, status: Status, error: CellError | undefined): void {
    this.#interrupts.shield(() => {
      if (this.#current !== cell) return;
      this.#current = undefined;
      if (cell.declared) this.#declarations.remember(cell.declared);
      this.#evaluator.forget();
      this.#display.forget();
      if (error) this.#channel.error(error);
      cell.onEnd(status);
    });
  }

  async #outcome(cell: Cell): Promise<[Status, CellError?]> {
    try {
      const error = await this.#evaluate(cell);
      return error ? ["error", error] : ["ok"];
    } catch (thrown) {
      return [thrown instanceof Interrupt ? "interrupted" : "error", this.traces.describe(thrown)];
    }
  }

  async #evaluate(cell: Cell): Promise<CellError | undefined> {
    const { source, name } = cell;
    const { code: plain, map } = this.#isTypeScript ? toJavaScript(source) : { code: source };
    if (map) this.traces.addMap(name, map);
    const { code, hasValue, declared } = rewriteCell(plain, this.#declarations);
    cell.declared = declared;
    const { value, thrownAt } = await this.#evaluator.evaluate(code, name);
    if (thrownAt) {
      const error = this.traces.describe(value);
      if (!isSyntaxErrorOf(value)) return error;
      delete cell.declared;
      return { ...error, traceback: showPlace(error, { name, source, ...thrownAt }) };
    }
    if (hasValue) await this.#show(types.isPromise(value) ? await value : value, cell);
    await this.#display.settled();
    return undefined;
  }

  async #show(value: unknown, cell: Cell): Promise<void> {
    if (value === undefined || this.#current !== cell) return;
    const data = await this.#describe(value);
    if (this.#current === cell) this.#channel.result(data, true);
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
