/** Replacements in a text, by positions in the original: what is not replaced keeps its line. */
export class Edits {
  readonly #text: string;
  readonly #edits: { start: number; end: number; replacement: string }[] = [];
  #prefix = "";

  constructor(text: string) {
    this.#text = text;
  }

  /** Edits of one place apply in the order in which they were asked for. */
  replace(start: number, end: number, replacement: string): void {
    this.#edits.push({ start, end, replacement });
  }

  /** Like `replace`, with as many lines as there were. */
  replaceLines(start: number, end: number, replacement: string): void {
    const lines = this.#text.slice(start, end).split("\n").length - 1;
    this.replace(start, end, replacement + "\n".repeat(lines));
  }

  /** Puts `text` before everything, on the first line. */
  prefix(text: string): void {
    this.#prefix += text;
  }

  toString(): string {
    let result = this.#prefix;
    let position = 0;
    for (const { start, end, replacement } of this.#edits.toSorted((a, b) => a.start - b.start)) {
      result += this.#text.slice(position, start) + replacement;
      position = end;
    }
    return result + this.#text.slice(position);
  }
}
