/** Only numbers like these say less, or something else, once they were JavaScript numbers. */
const MAY_LOSE = /\.0+[,\]}\s]|\d[eE][+-]?\d|\d{16}/;

interface SourceReviver {
  /** Parses with the source text of each primitive; typed here as the language's library does not know it yet. */
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  /** A value that `JSON.stringify` writes as `text`. */
  rawJSON(text: string): unknown;
}

/**
 * Parses JSON whose numbers are written again as they were: `1.0` stays a fraction and large integers keep their digits,
 * which matters to readers in other languages. Numbers that would change are opaque values, fit for `JSON.stringify` only.
 * @throws SyntaxError for what is no JSON
 */
export function parseExactly(text: string): unknown {
  if (!MAY_LOSE.test(text)) return JSON.parse(text);
  return exact.parse(text, (_key, value, { source }) => {
    const isKept = typeof value !== "number" || source === undefined || String(value) === source;
    return isKept ? value : exact.rawJSON(source);
  });
}

const exact = JSON as unknown as SourceReviver;
