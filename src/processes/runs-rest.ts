import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { GenericSchema, InferOutput } from "valibot";
import * as contract from "../contracts/runs.ts";
import { RunEvent } from "../contracts/stream-events.ts";
import { bodyChunks } from "../edge/body.ts";
import { encodeEvent, RUN_KEEPALIVES, streamHeaders, wantedFormat } from "../edge/event-stream.ts";
import { pump } from "../edge/pump.ts";
import type { OperationDoc } from "../edge/operation-doc.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, type RouteHandler, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import { SandboxError } from "../errors.ts";
import type { RunControl } from "./run-control.ts";
import { IN_BULK, noted, rawFrames, runEvents } from "./run-stream.ts";
import { type LogStart, type Run, runView } from "./types.ts";

/** `/v1/runs`: what runs and has run: look, read, feed, signal, wait, remove. */
export function runsRoutes(control: RunControl): Route[] {
  const withRun =
    (handle: (c: EdgeContext, run: Run) => ReturnType<RouteHandler>): RouteHandler =>
    (c) =>
      handle(c, control.get(c.req.param("id") ?? ""));
  return [
    route(
      "GET /v1/runs",
      native("List runs, live and finished", contract.RunList, { query: contract.ListQuery }),
      (c) => {
        const { state, tag } = parseQuery(c, contract.ListQuery);
        const runs = control.list().filter((run) => matches(run, state, tag));
        return c.json({ runs: runs.map(runView) });
      },
    ),
    route(
      "GET /v1/runs/:id",
      native("One run, with its ending and what it used", contract.Run),
      withRun((c, run) => c.json(runView(run))),
    ),
    route("GET /v1/runs/:id/log", { ...native("Output from any offset", contract.Run), doc: LOG }, withRun(log)),
    route(
      "GET /v1/runs/:id/wait",
      native("Wait for the end; 202 when it has not come in time", contract.Run, {
        query: contract.WaitQuery,
        answers: { 202: { description: "it still runs", json: contract.Run } },
      }),
      withRun(wait),
    ),
    route(
      "POST /v1/runs/:id/stdin",
      { ...native("Write to standard input", contract.StdinAnswer), doc: STDIN },
      withRun(stdin),
    ),
    route(
      "POST /v1/runs/:id/signal",
      native("Signal the program, its group or all its descendants", contract.SignalAnswer, {
        body: contract.SignalBody,
      }),
      withRun(async (c, run) => {
        const { signal, scope, waitMs } = await parseJsonBody(c, contract.SignalBody);
        return c.json(await control.signal(run, signal, { scope, waitMs }));
      }),
    ),
    route(
      "DELETE /v1/runs/:id",
      native("Kill whatever is left of the run and forget it", contract.RemoveAnswer),
      withRun(async (c, run) => {
        const survivors = await control.remove(run, `DELETE /v1/runs/${run.id}`);
        return c.json({ id: run.id, ending: run.end?.ending.type ?? null, survivors });
      }),
    ),
  ];
}

function native(
  summary: string,
  answer: GenericSchema,
  { answers, ...more }: Partial<Pick<OperationDoc, "query" | "body" | "answers">> = {},
): Pick<Route, "family" | "access" | "doc"> {
  const all = { 200: { description: "done", json: answer }, ...answers };
  return { family: "native", access: "token", doc: { summary, tag: "runs", ...more, answers: all } };
}

const LOG = {
  summary: "Output from any offset, raw, as NDJSON or as server-sent events; follow=1 stays until the end",
  tag: "runs",
  query: contract.LogQuery,
  headers: { "Last-Event-ID": "the cursor of the last server-sent event that was received" },
  answers: {
    200: {
      description: "the log; of events one is `keepalive`, after 5 s of silence",
      media: ["text/plain"],
      events: RunEvent,
      headers: { "Guestd-Run-Id": "the run" },
    },
    410: { description: "that part is no longer kept" },
  },
};
const STDIN = {
  summary: "Write the body to standard input; close=1 ends it",
  tag: "runs",
  query: contract.StdinQuery,
  bodyMedia: ["application/octet-stream"],
  answers: { 200: { description: "taken by the program's pipe", json: contract.StdinAnswer } },
};

function matches(run: Run, state: "running" | "ended" | undefined, tag: string | undefined): boolean {
  const isState = state === undefined || (run.end ? "ended" : "running") === state;
  return isState && (tag === undefined || run.config.tag === tag);
}

async function log(c: EdgeContext, run: Run): Promise<Response> {
  const { stream, offset, follow = false, encoding = "utf-8" } = parseQuery(c, contract.LogQuery);
  const wanted = wantedFormat(c);
  const format = wanted === "json" ? "ndjson" : wanted;
  const from = logStart(c, stream, offset);
  const reading = { from, follow, signal: c.var.request.signal, ...(stream && { streams: [stream] }) };
  run.log.checkStart(from);
  // Who reads one stream of several has not received the others, but does not want them either.
  const onSent = (position: number): void => {
    if (stream === undefined) run.markDelivered(position);
    else run.log.markReceived(position);
  };
  const options = {
    headers: { "Guestd-Run-Id": run.id, ...streamHeaders(format) },
    ...(format !== "raw" && { keepalive: RUN_KEEPALIVES[format] }),
  };
  async function* frames(): AsyncGenerator<Uint8Array> {
    if (format === "raw") return yield* rawFrames(run.log.readBatches({ ...reading, ...IN_BULK }), onSent);
    const chunks = noted(run.log.read({ ...reading, isTransient: true }), onSent);
    for await (const { event, position } of runEvents(run, chunks, encoding))
      yield encodeEvent(format, event, position);
  }
  await pump(frames(), c.env.outgoing, options);
  return RESPONSE_ALREADY_SENT;
}

/** Where to read from: where an SSE client left off, else an offset of the stream, else a position of the whole log. */
function logStart(c: EdgeContext, stream: InferOutput<typeof contract.Stream> | undefined, offset = 0): LogStart {
  const lastEventId = c.req.header("last-event-id");
  if (lastEventId !== undefined) {
    if (!/^\d{1,15}$/.test(lastEventId))
      throw new SandboxError("invalid_argument", `Last-Event-ID ${JSON.stringify(lastEventId)} is none of ours`);
    return { position: Number(lastEventId) };
  }
  return stream ? { offsets: { [stream]: offset } } : { position: offset };
}

async function wait(c: EdgeContext, run: Run): Promise<Response> {
  const { timeoutMs } = parseQuery(c, contract.WaitQuery);
  const isOver = await run.waitForEndAtMost(timeoutMs, c.var.request.signal);
  return c.json(runView(run), isOver ? 200 : 202);
}

async function stdin(c: EdgeContext, run: Run): Promise<Response> {
  const { close = false } = parseQuery(c, contract.StdinQuery);
  if (run.end || !run.child) {
    throw new SandboxError("not_found", `run ${run.id} has ended: nobody reads its input`, {
      reason: "process_not_found",
    });
  }
  let bytes = 0;
  for await (const chunk of bodyChunks(c.env.incoming)) {
    await run.child.writeInput(chunk);
    bytes += chunk.length;
  }
  if (close) run.child.closeInput();
  return c.json({ bytes });
}
