import { parseExactly } from "../lib/exact-json.ts";
import { Utf8Decoder } from "../lib/utf8-decoder.ts";
import type { CellEvent, Run, TextStream } from "./types.ts";

/** What a cell says: text that it prints, or an event with its size in the log. */
export type CellOutput =
  | { type: "text"; stream: TextStream; text: string; timeMs: number }
  | { type: "event"; event: CellEvent; sizeBytes: number };

/** The log of a cell from its begin to its end, in order; text is cut between characters. What was taken counts as delivered. */
export async function* cellOutput(run: Run, signal: AbortSignal): AsyncGenerator<CellOutput> {
  const decoders = { stdout: new Utf8Decoder(), stderr: new Utf8Decoder() };
  let eventParts: Buffer[] = [];
  for await (const { stream, bytes, timeMs, endsUnit, position } of run.log.read({
    from: { position: 0 },
    follow: true,
    signal,
  })) {
    if (stream === "stdout" || stream === "stderr") {
      const { text } = decoders[stream].push(bytes);
      if (text !== "") yield { type: "text", stream, text, timeMs };
    } else {
      eventParts.push(bytes);
      if (!endsUnit) continue;
      const json = Buffer.concat(eventParts);
      eventParts = [];
      for (const name of ["stdout", "stderr"] as const) {
        const { text } = decoders[name].end();
        if (text !== "") yield { type: "text", stream: name, text, timeMs };
      }
      yield { type: "event", event: parseExactly(json.toString("utf8")) as CellEvent, sizeBytes: json.length };
    }
    run.markDelivered(position);
  }
}
