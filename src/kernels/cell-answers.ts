import { type CellOutput, cellOutput } from "./cell-output.ts";
import { endView, type MimeBundle, type Run, statusLine, type TextStream } from "./types.ts";

/** What one JSON answer holds of each stream, in UTF-16 units, and of all results, in bytes; the log has the rest. */
const MAX_TEXT_UNITS = 8 * 1024 * 1024;
const MAX_RESULT_BYTES = 64 * 1024 * 1024;

type CellEnd = { type: "end" } & ReturnType<typeof endView>;
/** Where a cell waits for its turn. */
export interface CellPlace {
  contextId: string;
  /** How many cells of the context come before it. */
  cellsAhead: number;
}

/** What a structured stream of a cell tells, in order. */
export type CodeEvent =
  | ({ type: "start"; id: string } & CellPlace)
  | { type: "count"; count: number }
  | { type: "output"; stream: TextStream; text: string }
  | { type: "result"; isMain: boolean; data: MimeBundle }
  | { type: "error"; name: string; value: string; traceback: string }
  | CellEnd;

/** A cell as a terminal would show it: what it prints, its results as text, its error's traceback. */
export async function* cellText(run: Run, hasStatus: boolean, signal: AbortSignal): AsyncGenerator<Buffer> {
  let isAtLineStart = true;
  for await (const output of cellOutput(run, signal)) {
    const text = textOf(output);
    if (text === "") continue;
    const isWhole = output.type === "event";
    yield Buffer.from(isWhole ? `${isAtLineStart ? "" : "\n"}${text}${text.endsWith("\n") ? "" : "\n"}` : text);
    isAtLineStart = isWhole || text.endsWith("\n");
  }
  const end = await run.ended;
  if (hasStatus) yield Buffer.from(`${isAtLineStart ? "" : "\n"}${statusLine(end)}\n`);
}

/**
 * A cell as events; the first comes at once, also while the cell waits for its turn. `position` is where in the run's log
 * whoever has had the event goes on.
 */
export async function* cellEvents(
  run: Run,
  place: CellPlace,
  signal: AbortSignal,
): AsyncGenerator<{ event: CodeEvent; position: number }> {
  yield { event: { type: "start", id: run.id, ...place }, position: 0 };
  let end = 0;
  for await (const output of cellOutput(run, signal)) {
    end = output.position;
    yield { event: codeEvent(output), position: end };
  }
  yield { event: { type: "end", ...endView(await run.ended) }, position: end };
}

function codeEvent(output: CellOutput): CodeEvent {
  if (output.type === "text") return { type: "output", stream: output.stream, text: output.text };
  const { event } = output;
  return event.type === "start" ? { type: "count", count: event.count } : event;
}

/** All of a cell as one value, when it has ended. */
export async function cellResult(run: Run, contextId: string, signal: AbortSignal): Promise<Record<string, unknown>> {
  const texts = { stdout: new TextTail(), stderr: new TextTail() };
  const results: object[] = [];
  let [count, error]: [number | null, object | null] = [null, null];
  let [resultBytes, omittedResults] = [0, 0];
  for await (const output of cellOutput(run, signal)) {
    if (output.type === "text") {
      texts[output.stream].push(output.text);
      continue;
    }
    const { type, ...members } = output.event;
    if (output.event.type === "start") ({ count } = output.event);
    else if (type === "error") error = members;
    else if ((resultBytes += output.sizeBytes) > MAX_RESULT_BYTES) omittedResults += 1;
    else results.push(members);
  }
  const omitted = { stdout: texts.stdout.omitted, stderr: texts.stderr.omitted, results: omittedResults };
  return {
    id: run.id,
    contextId,
    ...endView(await run.ended),
    count,
    stdout: texts.stdout.text,
    stderr: texts.stderr.text,
    results,
    error,
    ...(Object.values(omitted).some((number) => number > 0) && { omitted }),
  };
}

/** Trailers of a cell: the ending, the cell's own status, and the exit code of a kernel that exited under it. */
export function cellTrailers(run: Run): Record<string, string> {
  const { ending, exitCode } = endView(run.end);
  return {
    ...(ending && { "Guestd-Ending": ending }),
    ...(run.end?.ending.type === "finished" && { "Guestd-Status": run.end.ending.status }),
    ...(exitCode !== null && { "Guestd-Exit-Code": String(exitCode) }),
  };
}

function textOf(output: CellOutput): string {
  if (output.type === "text") return output.text;
  const { event } = output;
  if (event.type === "start") return "";
  if (event.type === "error") return event.traceback || `${event.name}: ${event.value}`;
  const text = event.data["text/plain"];
  return typeof text === "string" ? text : `[${Object.keys(event.data).join(", ")}]`;
}

/** The end of a text that may be long. */
class TextTail {
  omitted = 0;
  #pieces: string[] = [];
  #units = 0;

  get text(): string {
    return this.#pieces.join("");
  }

  /** Forgets whole pieces at the front, so that what stays is not cut within a character. */
  push(text: string): void {
    this.#pieces.push(text);
    this.#units += text.length;
    while (this.#units > MAX_TEXT_UNITS && this.#pieces.length > 1) {
      const { length } = this.#pieces.shift() ?? "";
      this.#units -= length;
      this.omitted += length;
    }
  }
}
