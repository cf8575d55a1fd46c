import type { EdgeContext } from "./request-context.ts";

/** How a native stream is sent: bytes as they are, a JSON value a line, or server-sent events. */
export type StreamFormat = "raw" | "ndjson" | "sse";

/** What a request accepts; `json` asks for one value when everything is over. */
export function wantedFormat(c: EdgeContext): StreamFormat | "json" {
  const accept = c.req.header("accept")?.toLowerCase() ?? "";
  if (accept.includes("text/event-stream")) return "sse";
  if (accept.includes("application/x-ndjson") || accept.includes("application/jsonl")) return "ndjson";
  return accept.includes("application/json") ? "json" : "raw";
}

/** Response headers of a stream: nobody on the way may keep or transform it. */
export function streamHeaders(format: StreamFormat): Record<string, string> {
  const type = { raw: "text/plain; charset=utf-8", ndjson: "application/x-ndjson", sse: "text/event-stream" }[format];
  return { "Content-Type": type, "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no" };
}

/** One event of an NDJSON or SSE stream; `id` is what a client sends back as `Last-Event-ID`. */
export function encodeEvent(format: "ndjson" | "sse", event: { type: string }, id?: number | string): Buffer {
  const json = JSON.stringify(event);
  if (format === "ndjson") return Buffer.from(`${json}\n`);
  return Buffer.from(`${id === undefined ? "" : `id: ${id}\n`}event: ${event.type}\ndata: ${json}\n\n`);
}

/** What a quiet stream says now and then, so that nobody on the way takes it for dead. Server-sent events have comments for that. */
export const KEEPALIVES = {
  ndjson: Buffer.from('{"type":"keepalive"}\n'),
  sse: Buffer.from(": keepalive\n\n"),
} as const;

/** What is pumped of a run or a cell in its silences: as often as of `/execute`. */
export const RUN_KEEPALIVES = {
  ndjson: { bytes: KEEPALIVES.ndjson, everyMs: 5000 },
  sse: { bytes: KEEPALIVES.sse, everyMs: 5000 },
} as const;
