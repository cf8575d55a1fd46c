import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { encodeEvent, RUN_KEEPALIVES, streamHeaders, wantedFormat } from "../edge/event-stream.ts";
import { problemBody } from "../edge/errors.ts";
import { pump } from "../edge/pump.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { limitedSignal } from "../lib/abort.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import { progressEvents } from "./progress-events.ts";
import type { GitProgress } from "./types.ts";

/** What a long call is given. */
export interface CallOptions {
  signal: AbortSignal;
  onProgress?: (progress: GitProgress) => void;
}

/** How long a call may take, by which clock: git is a program like any other. */
export interface CallLimit {
  timeoutMs: number | undefined;
  clock: ProgramClock;
}

/**
 * Answers with what `call` comes to: as JSON at its end, or after events about its progress. A client that leaves, or `timeoutMs`,
 * ends it.
 */
export async function answerCall(
  c: EdgeContext,
  { timeoutMs, clock }: CallLimit,
  call: (options: CallOptions) => Promise<object>,
): Promise<Response> {
  const { signal: client } = c.var.request;
  using limited = timeoutMs === undefined ? undefined : limitedSignal(client, timeoutMs, clock);
  const signal = limited?.signal ?? client;
  const format = wantedFormat(c);
  if (format !== "ndjson" && format !== "sse") return c.json(await call({ signal }));
  await pump(events(c, format, signal, call), c.env.outgoing, {
    headers: streamHeaders(format),
    keepalive: RUN_KEEPALIVES[format],
  });
  return RESPONSE_ALREADY_SENT;
}

/** Progress, then the result or the error; an error alone is an ordinary one. */
async function* events(
  c: EdgeContext,
  format: "ndjson" | "sse",
  signal: AbortSignal,
  call: (options: CallOptions) => Promise<object>,
): AsyncGenerator<Buffer> {
  let hasBegun = false;
  try {
    for await (const event of progressEvents((onProgress) => call({ signal, onProgress }))) {
      const { type } = event;
      yield encodeEvent(format, { type, ...(event.type === "progress" ? event.progress : event.result) });
      hasBegun = true;
    }
  } catch (error) {
    if (!hasBegun) throw error;
    const problem = problemBody(c.var.request.fail(error), c.req.path);
    yield encodeEvent(format, { ...(JSON.parse(problem) as object), type: "error" });
  }
}
