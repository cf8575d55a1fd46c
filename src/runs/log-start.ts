import { SandboxError } from "../errors.ts";
import type { LogChunk, LogOffsets } from "./log-block.ts";

/** Where a reader begins: a cursor (`LogChunk.position`), or a place in each stream it names; others begin at their oldest byte. */
export type LogStart = { position: number } | { offsets: Partial<LogOffsets> };

/** An offset that the run has not come to yet. */
export function futureOffset(what: string, wanted: number, end: number): SandboxError {
  return new SandboxError(
    "invalid_argument",
    `${what} offset ${wanted} is in the future; ${end} bytes have been written`,
    {
      reason: "log_future",
    },
  );
}

/** Cuts off what lies before the place where reading begins. */
export function trimStart(chunk: LogChunk, from: LogStart): LogChunk | undefined {
  const skip =
    "position" in from
      ? from.position - (chunk.position - chunk.bytes.length)
      : (from.offsets[chunk.stream] ?? 0) - chunk.offset;
  if (skip <= 0) return chunk;
  if (skip >= chunk.bytes.length) return undefined;
  return { ...chunk, offset: chunk.offset + skip, bytes: chunk.bytes.subarray(skip) };
}
