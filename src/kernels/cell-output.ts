import { SandboxError } from "../errors.ts";
import { parseExactly } from "../lib/exact-json.ts";
import { Utf8Decoder } from "../lib/utf8-decoder.ts";
import type { CellEvent, LogChunk, Run, TextStream } from "./types.ts";

/** What a cell says: text that it prints, or an event with its size in the log. A reader goes on at `position` after it. */
export type CellOutput = { position: number } & (
  | { type: "text"; stream: TextStream; text: string; timeMs: number }
  | { type: "event"; event: CellEvent; sizeBytes: number }
);

const STREAMS = ["stdout", "stderr"] as const;
const RUN_REMOVED = "The run of the execution was removed before its end was read";

/**
 * The log of a cell from its begin to its end, in order; text is cut between characters. What was taken counts as delivered.
 * Who is so slow that a part is no longer kept is told so on stderr, and whose run is removed by an error, unless there was one.
 */
export async function* cellOutput(run: Run, signal: AbortSignal): AsyncGenerator<CellOutput> {
  const reader = new UnitReader();
  let hasFailed = false;
  for (;;) {
    try {
      const from = { position: reader.position };
      for await (const chunk of run.log.read({ from, follow: true, signal })) {
        for (const output of reader.push(chunk)) {
          hasFailed ||= output.type === "event" && output.event.type === "error";
          yield output;
        }
        run.markDelivered(reader.position);
      }
      return yield* reader.end();
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error;
      if (error.reason === "log_trimmed") yield reader.skipTo(run.log.firstSafe().position);
      else if (error.reason !== "run_not_found") throw error;
      else if (!hasFailed) return yield removed(reader.position);
      else return;
    }
  }
}

/** Puts the pieces of a log together to the units they were written in. */
class UnitReader {
  /** Everything before it was read. */
  position = 0;
  readonly #decoders = { stdout: new Utf8Decoder(), stderr: new Utf8Decoder() };
  #parts: Buffer[] = [];
  #timeMs = 0;
  /** What comes next may be the end of something whose begin is gone. */
  #isTorn = false;

  /** What is complete with this piece. */
  *push({ stream, bytes, timeMs, endsUnit, position }: LogChunk): Generator<CellOutput> {
    if (this.#parts.length === 0) this.#timeMs = timeMs;
    this.#parts.push(bytes);
    if (!endsUnit) return;
    const [first = bytes, ...rest] = this.#parts;
    const unit = rest.length === 0 ? first : Buffer.concat(this.#parts);
    this.#parts = [];
    this.position = position;
    if (stream === "stdout" || stream === "stderr") {
      yield* this.#text(stream, this.#decoders[stream].push(unit));
    } else {
      const event = this.#parse(unit);
      yield* this.end();
      if (event) yield { type: "event", event, sizeBytes: unit.length, position };
    }
    this.#isTorn = false;
  }

  /** What is left of characters that were not completed. */
  *end(): Generator<CellOutput> {
    for (const stream of STREAMS) yield* this.#text(stream, this.#decoders[stream].end());
  }

  /** Goes on at `position`, since what comes before it is gone. Returns what says so. */
  skipTo(position: number): CellOutput {
    const bytes = position - this.position;
    this.position = position;
    this.#parts = [];
    this.#isTorn = true;
    const text = `guestd: ${bytes} bytes of this cell's output are missing here: they were not read in time\n`;
    return { type: "text", stream: "stderr", text, timeMs: Date.now(), position };
  }

  *#text(stream: TextStream, { text }: { text: string }): Generator<CellOutput> {
    if (text !== "") yield { type: "text", stream, text, timeMs: this.#timeMs, position: this.position };
  }

  #parse(unit: Buffer): CellEvent | undefined {
    try {
      return parseExactly(unit.toString("utf8")) as CellEvent;
    } catch (error) {
      if (this.#isTorn) return undefined;
      throw error;
    }
  }
}

function removed(position: number): CellOutput {
  const event = { type: "error", name: "UnexpectedEndOfExecution", value: RUN_REMOVED, traceback: "" } as const;
  return { type: "event", event, sizeBytes: 0, position };
}
