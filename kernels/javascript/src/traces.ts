import type { SourceMap } from "node:module";
import type { CellError } from "./channel.ts";
import { inspectValue } from "./mime.ts";

/** A cell was told to stop. */
export class Interrupt extends Error {}

/** `process.exit` was called. */
export class ProcessExit extends Error {
  override readonly name = "ProcessExit";

  constructor(code: string) {
    super(`process.exit(${code}) called`);
  }
}

const OWN_FRAME = /^\s+at .*node:inspector/;
/** Older cells' errors have the lines of what they were transformed to. */
const MAX_MAPS = 1000;
const CELL_PLACE = /(cell-\d+\.ts):(\d+):(\d+)/g;

/** Tells errors in the words of the cell they happened in. */
export class Traces {
  readonly #maps = new Map<string, SourceMap>();

  /** Cells whose lines have moved, by name. */
  addMap(cell: string, map: SourceMap): void {
    this.#maps.set(cell, map);
    const [oldest] = this.#maps.keys();
    if (this.#maps.size > MAX_MAPS && oldest !== undefined) this.#maps.delete(oldest);
  }

  /** What a client is told of `thrown`. */
  describe(thrown: unknown): CellError {
    if (thrown instanceof Interrupt) return { name: "KeyboardInterrupt", value: "", traceback: "KeyboardInterrupt" };
    if (typeof thrown !== "object" || thrown === null || !("message" in thrown))
      return { name: typeof thrown, value: typeof thrown === "string" ? thrown : inspectValue(thrown), traceback: "" };
    const name = "name" in thrown && typeof thrown.name === "string" ? thrown.name : "Error";
    return { name, value: String(thrown.message), traceback: this.text(thrown) };
  }

  /** The stack of `thrown` down to its cell, with its causes; its text when it has none. */
  text(thrown: unknown): string {
    if (typeof thrown !== "object" || thrown === null || !("stack" in thrown) || typeof thrown.stack !== "string")
      return inspectValue(thrown);
    const own = this.#userFrames(thrown.stack);
    const errors = thrown instanceof AggregateError ? (thrown.errors as unknown[]) : [];
    const parts = errors.map((error) => `\n  [errors]: ${this.text(error)}`);
    if ("cause" in thrown && thrown.cause !== thrown && thrown.cause !== undefined)
      parts.push(`\n  [cause]: ${this.text(thrown.cause)}`);
    return own + parts.join("");
  }

  #userFrames(stack: string): string {
    const lines = stack.split("\n");
    const end = lines.findIndex((line) => OWN_FRAME.test(line) || line.includes(__filename));
    return lines
      .slice(0, end < 0 ? undefined : end)
      .join("\n")
      .replaceAll(CELL_PLACE, (place, cell: string, line: string, column: string) => {
        const entry = this.#maps.get(cell)?.findEntry(Number(line) - 1, Number(column) - 1);
        return entry && "originalLine" in entry
          ? `${cell}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
          : place;
      });
  }
}
