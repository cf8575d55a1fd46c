import { joinedFrame } from "../lib/frame-pool.ts";
import { Utf8Decoder } from "../lib/utf8-decoder.ts";
import { endView, type LogChunk, type LogStream, type Run } from "./types.ts";

/** How a log is read that goes out as copies: in large pieces, whose memory is used again. */
export const IN_BULK = { isTransient: true, maxBatchBytes: 192 * 1024 } as const;

export type TextEncoding = "utf-8" | "base64";

/** What a structured stream of a run tells, in order: start, output, end. */
export type RunEvent =
  | { type: "start"; id: string; pid: number | null }
  | { type: "output"; stream: LogStream; offset: number; text: string; lossy?: true }
  | { type: "output"; stream: LogStream; offset: number; base64: string }
  | ({ type: "end" } & ReturnType<typeof endView>);

/** An event, and the log position from which a reader goes on after it. */
export interface PositionedEvent {
  event: RunEvent;
  position?: number;
}

/** Pieces of a log as bytes to send; `onSent` is told the position after what has been taken. */
export async function* rawFrames(
  batches: AsyncIterable<readonly LogChunk[]>,
  onSent: (position: number) => void,
): AsyncGenerator<Buffer> {
  for await (const batch of batches) {
    yield joinedFrame(batch.map(({ bytes }) => bytes));
    onSent(batch.at(-1)?.position ?? 0);
  }
}

/** The same pieces; `onSent` is told the position after each that has been taken. */
export async function* noted(
  chunks: AsyncIterable<LogChunk>,
  onSent: (position: number) => void,
): AsyncGenerator<LogChunk> {
  for await (const chunk of chunks) {
    yield chunk;
    onSent(chunk.position);
  }
}

/** Turns pieces of a log into events. Text is cut between characters; what is cut off at the end comes before the end event. */
export async function* runEvents(
  run: Run,
  chunks: AsyncIterable<LogChunk>,
  encoding: TextEncoding,
): AsyncGenerator<PositionedEvent> {
  yield { event: { type: "start", id: run.id, pid: run.pid ?? null } };
  const decoders = new Map<LogStream, { decoder: Utf8Decoder; nextOffset: number }>();
  let position = 0;
  for await (const chunk of chunks) {
    position = chunk.position;
    const { stream, bytes } = chunk;
    if (encoding === "base64") {
      yield { event: { type: "output", stream, offset: chunk.offset, base64: bytes.toString("base64") }, position };
      continue;
    }
    const state = decoders.get(stream) ?? { decoder: new Utf8Decoder(), nextOffset: chunk.offset };
    decoders.set(stream, state);
    const event = textEvent(stream, state.nextOffset, state.decoder.push(bytes));
    state.nextOffset = chunk.offset + bytes.length - state.decoder.heldBytes;
    if (event) yield { event, position };
  }
  for (const [stream, { decoder, nextOffset }] of decoders) {
    const event = textEvent(stream, nextOffset, decoder.end());
    if (event) yield { event, position };
  }
  if (run.end) yield { event: { type: "end", ...endView(run.end) }, position };
}

function textEvent(
  stream: LogStream,
  offset: number,
  { text, isLossy }: { text: string; isLossy: boolean },
): RunEvent | undefined {
  if (text === "") return undefined;
  return { type: "output", stream, offset, text, ...(isLossy && { lossy: true as const }) };
}

/** Text of each stream; `pty` only for a terminal. */
export interface CollectedOutput {
  stdout: string;
  stderr: string;
  pty?: string;
  /** Streams that were no UTF-8. */
  lossy?: LogStream[];
  /** Left out at the front. */
  omittedBytes?: Record<string, number>;
}

/** All that a finished run has printed, at most `maxBytes` from the end of each stream. */
export async function collectOutput(
  run: Run,
  options: { encoding: TextEncoding; maxBytes: number; signal: AbortSignal },
): Promise<CollectedOutput> {
  const { ends, oldest } = run.log;
  const texts: Pick<CollectedOutput, "stdout" | "stderr" | "pty"> = { stdout: "", stderr: "" };
  const lossy: LogStream[] = [];
  const omittedBytes: Record<string, number> = {};
  for (const stream of run.config.kind === "terminal" ? (["pty"] as const) : (["stdout", "stderr"] as const)) {
    const from = Math.max(oldest[stream], ends[stream] - options.maxBytes);
    if (from > 0) omittedBytes[stream] = from;
    const pieces: Buffer[] = [];
    const reading = { from: { offsets: { [stream]: from } }, streams: [stream], follow: false, signal: options.signal };
    for await (const { bytes } of run.log.read(reading)) pieces.push(bytes);
    const all = Buffer.concat(pieces);
    const decoder = new Utf8Decoder();
    const decoded = options.encoding === "base64" ? undefined : [decoder.push(all), decoder.end()];
    texts[stream] = decoded?.map(({ text }) => text).join("") ?? all.toString("base64");
    if (decoded?.some(({ isLossy }) => isLossy)) lossy.push(stream);
  }
  return {
    ...texts,
    ...(lossy.length > 0 && { lossy }),
    ...(Object.keys(omittedBytes).length > 0 && { omittedBytes }),
  };
}
