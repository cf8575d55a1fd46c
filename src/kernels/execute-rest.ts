import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { ExecuteBody } from "../contracts/interpreter.ts";
import { ExecuteEvent } from "../contracts/stream-events.ts";
import { HeldStart } from "../edge/held-start.ts";
import { pump } from "../edge/pump.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { SandboxError } from "../errors.ts";
import { cellOutput } from "./cell-output.ts";
import type { Contexts } from "./contexts.ts";
import { kernelFailure, readDetailedBody } from "./detailed-rest.ts";
import { asciiLine, wireEvent, wireText } from "./results.ts";
import type { Run } from "./types.ts";

/** A quiet stream says that it is alive: clients and proxies cut silent connections. */
const KEEPALIVE_MS = 5000;
/** What announces a cell waits this long for what the cell says. */
const ANNOUNCE_MS = 5;
const KEEPALIVE = asciiLine({ type: "keepalive" });
const END = asciiLine({ type: "end_of_execution" });

/** `POST /execute`: runs a cell and streams what it says, one JSON object a line. */
export function executeRoutes(contexts: Contexts): Route[] {
  return [
    route("POST /execute", { family: "interpreter", access: "token", doc: EXECUTE }, (c) => execute(c, contexts)),
  ];
}

const EXECUTE = {
  summary: "Run a code cell and stream its output, results and errors",
  tag: "interpreter",
  body: ExecuteBody,
  answers: {
    200: {
      description: "what the cell says, from the moment that it is accepted; the last line is end_of_execution",
      events: ExecuteEvent,
      eventMedia: ["application/x-ndjson"],
      headers: { "Guestd-Run-Id": "the run of /v1/runs that the cell is" },
    },
    400: { description: "both a context and a language" },
    404: { description: "no such context" },
    429: { description: "there are as many contexts as there may be" },
    500: { description: "the language's kernel does not start; why, and what helps" },
  },
};

async function execute(c: EdgeContext, contexts: Contexts): Promise<Response> {
  const body = await readDetailedBody(c, ExecuteBody);
  if (!body.ok) return body.response;
  const { code, context_id: contextId, language, env_vars: envs, timeout_ms: timeoutMs } = body.value;
  if (contextId && language)
    throw new SandboxError("invalid_argument", "Only one of context_id or language can be provided");
  const context = await contexts.pick({ contextId, language }).catch((error: unknown) => {
    throw kernelFailure("Failed to create context", error);
  });
  const run = context.execute({ code, envs: envs ?? {}, timeoutMs: timeoutMs ?? undefined }, c.var.request.signal);
  using start = new HeldStart(c.env.outgoing, ANNOUNCE_MS);
  // Headers do not wait for the cell: a queued cell's client must see that it was accepted.
  c.env.outgoing.writeHead(200, { "Content-Type": "application/x-ndjson", "Guestd-Run-Id": run.id });
  c.env.outgoing.flushHeaders();
  await pump(cellLines(run, start, c.var.request.signal), c.env.outgoing, {
    headers: {},
    keepalive: { bytes: KEEPALIVE, everyMs: KEEPALIVE_MS, isFromStart: true },
  });
  return RESPONSE_ALREADY_SENT;
}

/** What a cell says as lines of the stream. Whatever ends the cell, the last line says so. */
async function* cellLines(run: Run, start: HeldStart, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const output of cellOutput(run, signal)) {
    const isText = output.type === "text";
    if (isText || output.event.type !== "start") start.release();
    yield asciiLine(isText ? wireText(output.stream, output.text, output.timeMs) : wireEvent(output.event));
  }
  const { interruption } = await run.ended;
  if (!interruption) return yield END;
  const { outcome, isStateKept } = interruption;
  yield asciiLine({ type: "end_of_execution", interruption: { outcome, state_kept: isStateKept } });
}
