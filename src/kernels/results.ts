import type { CellEvent, MimeBundle } from "./types.ts";

/** MIME types that have a key of their own in a result; every other one goes to `extra`. */
const KEY_BY_MIME: Readonly<Record<string, string>> = {
  "text/plain": "text",
  "text/html": "html",
  "text/markdown": "markdown",
  "image/svg+xml": "svg",
  "image/png": "png",
  "image/jpeg": "jpeg",
  "application/pdf": "pdf",
  "text/latex": "latex",
  "application/json": "json",
  "application/javascript": "javascript",
  "e2b/data": "data",
  "e2b/chart": "chart",
};
/** The order in which the reference writes the keys. */
const KEYS = Object.values(KEY_BY_MIME);

/** A cell's event as one line of the `/execute` stream says it. */
export function wireEvent(event: CellEvent): Record<string, unknown> {
  switch (event.type) {
    case "start":
      return { type: "number_of_executions", execution_count: event.count };
    case "error": {
      const { name, value, traceback } = event;
      return { type: "error", name, value, traceback };
    }
    case "result":
      return wireResult(event.data, event.isMain);
  }
}

/** Text of a stream, with the time it was printed. */
export function wireText(stream: "stdout" | "stderr", text: string, timeMs: number): Record<string, unknown> {
  return { type: stream, text, timestamp: timestamp(timeMs) };
}

/**
 * One line of JSON in pure ASCII: clients cut lines at Unicode line separators and decode network chunks one by one,
 * so nothing else survives.
 */
export function asciiLine(value: Record<string, unknown>): Buffer {
  const json = JSON.stringify(value);
  // oxlint-disable-next-line no-control-regex -- ASCII is a range that begins with control characters
  const ascii = /^[\x00-\x7e]*$/.test(json) ? json : json.replace(/[\x7f-\uffff]/g, escapeUnit);
  return Buffer.from(`${ascii}\n`, "latin1");
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function wireResult(data: MimeBundle, isMain: boolean): Record<string, unknown> {
  const named = new Map<string, unknown>();
  const extra: Record<string, unknown> = {};
  for (const [mime, value] of Object.entries(data)) {
    const key = KEY_BY_MIME[mime];
    if (key === undefined) extra[mime] = value;
    else if (value !== null && value !== undefined) {
      named.set(key, key === "text" && typeof value === "string" ? unquote(value) : value);
    }
  }
  const ordered = KEYS.filter((key) => named.has(key)).map((key) => [key, named.get(key)]);
  return { type: "result", ...Object.fromEntries(ordered), extra, is_main_result: isMain };
}

/** The reference takes one pair of outer quotes off, whatever is between them. */
function unquote(text: string): string {
  const first = text[0];
  const isQuoted = text.length > 1 && (first === "'" || first === '"') && text.endsWith(first);
  return isQuoted ? text.slice(1, -1) : text;
}

/** ISO 8601 with microseconds and a numeric offset. */
function timestamp(timeMs: number): string {
  return new Date(timeMs).toISOString().replace("Z", "000+00:00");
}
