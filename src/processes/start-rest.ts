import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { InferOutput } from "valibot";
import * as contract from "../contracts/runs.ts";
import { RunEvent } from "../contracts/stream-events.ts";
import { bodyChunks, readBody } from "../edge/body.ts";
import { encodeEvent, RUN_KEEPALIVES, streamHeaders, wantedFormat } from "../edge/event-stream.ts";
import { pump } from "../edge/pump.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { isJson, parseJsonBytes, parseQuery } from "../edge/validate.ts";
import { SandboxError } from "../errors.ts";
import type { Processes, StartRequest } from "./processes.ts";
import { collectOutput, IN_BULK, noted, rawFrames, runEvents, type TextEncoding } from "./run-stream.ts";
import { shellCommand } from "./shell.ts";
import {
  type DeadlineLimits,
  endView,
  type IdempotentStarts,
  type LogChunk,
  type Run,
  runView,
  statusLine,
} from "./types.ts";

/** A command line, or a JSON body without large input. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** What a JSON answer holds of each stream; the log has the rest. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** Between SIGTERM and SIGKILL when a run's time is up. */
const GRACE_MS = 2000;
const TRAILERS = "Guestd-Ending, Guestd-Exit-Code";

type Query = InferOutput<typeof contract.RunQuery>;
type Body = InferOutput<typeof contract.RunBody>;

/** A run as a request describes it: what to start, what to feed it, how to answer. */
interface Wanted {
  request: StartRequest;
  /** Given at once and closed. */
  input: string | undefined;
  /** Standard input is the request body, as it comes. */
  isBodyInput: boolean;
  isBackground: boolean;
}

/** `/v1/run`: starts a program or a command line and answers with its output. */
export function startRoutes(processes: Processes, idempotent: IdempotentStarts): Route[] {
  const handle = (c: EdgeContext): Promise<Response> => start(c, processes, idempotent);
  return [
    route("POST /v1/run", { family: "native", access: "token", doc: START }, handle),
    route("PUT /v1/run", { family: "native", access: "token", doc: FEED }, handle),
  ];
}

const ANSWERS = {
  200: {
    description:
      "raw output as it comes with the exit code in a trailer, events (`keepalive` after 5 s of silence), or one JSON value, as `Accept` asks",
    json: contract.RunResult,
    media: ["text/plain"],
    events: RunEvent,
    headers: {
      "Guestd-Run-Id": "the run",
      Location: "the run below /v1/runs",
      "Guestd-Ending": "trailer of plain text: how the run ended",
      "Guestd-Exit-Code": "trailer of plain text: where the program has one",
    },
  },
  202: { description: "started in the background", json: contract.Run },
  410: { description: "the run that the Idempotency-Key has started is no longer kept" },
};
const START = {
  summary: "Run a command line (the body) or a program (a JSON body)",
  tag: "runs",
  query: contract.RunQuery,
  body: contract.RunBody,
  bodyMedia: ["text/plain"],
  headers: { "Idempotency-Key": "a request that repeats it gets the run that the first one has started" },
  answers: ANSWERS,
};
const FEED = { ...START, summary: "Run ?cmd= with the body as its standard input" };

async function start(c: EdgeContext, processes: Processes, idempotent: IdempotentStarts): Promise<Response> {
  const query = parseQuery(c, contract.RunQuery);
  const key = readKey(c);
  // A body that decides whether two requests are the same has to be known before anything starts.
  const isStreamed = query.cmd !== undefined && key === undefined;
  const body = isStreamed ? Buffer.alloc(0) : await readBody(c.env.incoming, MAX_BODY_BYTES);
  const wanted = readWanted(c, query, body, isStreamed);
  // Not the host: a retry may reach the same sandbox by another name.
  const { pathname, search } = new URL(c.req.url);
  const target = pathname + search;
  const fingerprint = [c.req.method, target, c.req.header("content-type") ?? "", wanted.request.user ?? "", body];
  const run = await idempotent.once(key, fingerprint, async () => {
    // With a key, others may wait for the same one.
    const signal = key === undefined ? c.var.request.signal : undefined;
    const started = await processes.start({ ...wanted.request, signal });
    feed(started, wanted, isStreamed ? c : undefined, query.cmd === undefined ? undefined : body);
    return started;
  });
  return answer(c, run, query, wanted.isBackground);
}

/** @throws SandboxError invalid_argument for an empty one, which would be one key for all whose variable is not set */
function readKey(c: EdgeContext): string | undefined {
  const key = c.req.header("idempotency-key");
  if (key === "") throw new SandboxError("invalid_argument", "Idempotency-Key is empty", { hint: "leave it out" });
  return key;
}

function readWanted(c: EdgeContext, query: Query, body: Buffer, isStreamed: boolean): Wanted {
  const { cwd, tag, timeoutMs, idleTimeoutMs, startTimeoutMs, stdin = false, background = false } = query;
  const user = query.user ?? c.var.request.user;
  const deadlines = deadlinesOf({ timeoutMs, idleTimeoutMs, startTimeoutMs });
  const common = { envs: {}, cwd, user, tag, deadlines, graceMs: GRACE_MS };
  if (query.cmd !== undefined) {
    const request = { ...common, ...shellCommand(query.cmd), hasStdin: true };
    return { request, input: undefined, isBodyInput: isStreamed, isBackground: background };
  }
  if (isJson(c)) return fromJson(parseJsonBytes(body, contract.RunBody), { ...common, hasStdin: stdin }, background);
  const commandLine = body.toString("utf8");
  if (commandLine.trim() === "") {
    throw new SandboxError("invalid_argument", "the body is empty: it should be a command line", {
      hint: "curl -N $G/v1/run --data-binary 'echo hello'",
    });
  }
  const request = { ...common, ...shellCommand(commandLine), hasStdin: stdin };
  return { request, input: undefined, isBodyInput: false, isBackground: background };
}

function fromJson(body: Body, common: Omit<StartRequest, "cmd" | "args">, isBackground: boolean): Wanted {
  const { shell, cmd = "", args, envs, stdin = common.hasStdin, overflow, pty } = body;
  const request = {
    ...common,
    ...(shell === undefined ? { cmd, args } : shellCommand(shell)),
    envs,
    cwd: body.cwd ?? common.cwd,
    user: body.user ?? common.user,
    tag: body.tag ?? common.tag,
    deadlines: { ...common.deadlines, ...deadlinesOf(body) },
    overflow,
    terminal: pty,
    hasStdin: stdin !== false,
  };
  const input = typeof stdin === "string" ? stdin : undefined;
  return { request, input, isBodyInput: false, isBackground: body.background || isBackground };
}

/** Only those that are set; 0 is none. */
function deadlinesOf(given: Pick<Body, "timeoutMs" | "idleTimeoutMs" | "startTimeoutMs">): DeadlineLimits {
  const { timeoutMs, idleTimeoutMs, startTimeoutMs } = given;
  return {
    ...(timeoutMs && { wallMs: timeoutMs }),
    ...(idleTimeoutMs && { idleMs: idleTimeoutMs }),
    ...(startTimeoutMs && { startMs: startTimeoutMs }),
  };
}

/** Gives a program its input without anybody waiting for it; a program that does not want it is no error. */
function feed(run: Run, wanted: Wanted, streaming: EdgeContext | undefined, bodyInput: Buffer | undefined): void {
  if (streaming) void feedStream(run, streaming);
  else if (bodyInput) void feedBytes(run, bodyInput);
  else if (wanted.input !== undefined) void feedBytes(run, Buffer.from(wanted.input));
}

async function feedBytes(run: Run, bytes: Buffer): Promise<void> {
  try {
    const written = run.child?.writeInput(bytes);
    run.child?.closeInput();
    await written;
  } catch {
    // The program closed its input or ended first: its output says what it made of that.
  }
}

/** A body that breaks off leaves the input open: an end of file would tell the program that it has everything. */
async function feedStream(run: Run, c: EdgeContext): Promise<void> {
  try {
    for await (const chunk of bodyChunks(c.env.incoming)) await run.child?.writeInput(chunk);
    run.child?.closeInput();
  } catch {
    c.env.incoming.resume(); // the rest of the body has nowhere to go
  }
}

async function answer(c: EdgeContext, run: Run, query: Query, isBackground: boolean): Promise<Response> {
  const headers = { "Guestd-Run-Id": run.id, Location: `/v1/runs/${run.id}` };
  if (isBackground) return c.json(runView(run), 202, headers);
  const format = wantedFormat(c);
  const { encoding = "utf-8" } = query;
  const { signal } = c.var.request;
  if (format === "json") return c.json(await result(run, encoding, signal), 200, headers);
  const options = { headers: { ...headers, ...streamHeaders(format) } };
  if (format === "raw") {
    const trailers = (): Record<string, string> => trailersOf(run);
    await pump(rawOutput(run, query.status ?? false, signal), c.env.outgoing, {
      headers: { ...options.headers, Trailer: TRAILERS },
      trailers,
    });
  } else {
    const chunks = delivered(run, signal);
    await pump(encoded(run, chunks, format, encoding), c.env.outgoing, {
      ...options,
      keepalive: RUN_KEEPALIVES[format],
    });
  }
  return RESPONSE_ALREADY_SENT;
}

async function result(run: Run, encoding: TextEncoding, signal: AbortSignal): Promise<Record<string, unknown>> {
  // One answer at the end receives nothing before it: a program that waited for that would wait for ever.
  run.log.markReceived(Infinity);
  const end = await run.waitForEnd(signal);
  const output = await collectOutput(run, { encoding, maxBytes: MAX_ANSWER_BYTES, signal });
  run.markDelivered(run.log.position);
  const { usage, ...view } = endView(end);
  return { id: run.id, ...view, ...output, usage, ...(encoding === "base64" && { encoding }) };
}

async function* delivered(run: Run, signal: AbortSignal): AsyncGenerator<LogChunk> {
  const reading = { from: { position: 0 }, follow: true, isTransient: true, signal };
  yield* noted(run.log.read(reading), (position) => run.markDelivered(position));
  await run.ended;
}

async function* rawOutput(run: Run, hasStatus: boolean, signal: AbortSignal): AsyncGenerator<Buffer> {
  let lastByte = 0x0a;
  const reading = { from: { position: 0 }, follow: true, signal, ...IN_BULK };
  for await (const frame of rawFrames(run.log.readBatches(reading), (position) => run.markDelivered(position))) {
    lastByte = frame.at(-1) ?? lastByte;
    yield frame;
  }
  await run.ended;
  if (!hasStatus || !run.end) return;
  yield Buffer.from(`${lastByte === 0x0a ? "" : "\n"}${statusLine(run.end)}\n`);
}

async function* encoded(
  run: Run,
  chunks: AsyncIterable<LogChunk>,
  format: "ndjson" | "sse",
  encoding: TextEncoding,
): AsyncGenerator<Buffer> {
  for await (const { event, position } of runEvents(run, chunks, encoding)) yield encodeEvent(format, event, position);
}

function trailersOf(run: Run): Record<string, string> {
  const { ending, exitCode } = endView(run.end);
  return {
    ...(ending && { "Guestd-Ending": ending }),
    ...(exitCode !== null && { "Guestd-Exit-Code": String(exitCode) }),
  };
}
