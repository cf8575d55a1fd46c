import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { InferOutput } from "valibot";
import * as contract from "../contracts/code.ts";
import { CodeEvent } from "../contracts/stream-events.ts";
import { readBody } from "../edge/body.ts";
import { encodeEvent, RUN_KEEPALIVES, streamHeaders, wantedFormat } from "../edge/event-stream.ts";
import { pump } from "../edge/pump.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { isJson, parseJsonBytes, parseQuery } from "../edge/validate.ts";
import { SandboxError } from "../errors.ts";
import { type CellPlace, cellEvents, cellResult, cellText, cellTrailers } from "./cell-answers.ts";
import type { CodeContext } from "./context.ts";
import type { Contexts } from "./contexts.ts";
import { checkEnvironment, type Run } from "./types.ts";

const MAX_BODY_BYTES = 64 * 1024 * 1024;
const TRAILERS = "Guestd-Ending, Guestd-Status, Guestd-Exit-Code";

/** `POST /v1/code/{language}`: runs a cell and answers with what it prints and its results. */
export function codeRoutes(contexts: Contexts): Route[] {
  return [
    route("POST /v1/code/:language", { family: "native", access: "token", doc: CODE }, (c) => runCode(c, contexts)),
  ];
}

const CODE = {
  summary: "Run a code cell (the body, or `code` of a JSON body)",
  tag: "code",
  query: contract.CodeQuery,
  body: contract.CodeBody,
  bodyMedia: ["text/plain"],
  answers: {
    200: {
      description:
        "plain text as it comes with the ending in a trailer, events (`keepalive` after 5 s of silence), or one JSON value, as `Accept` asks",
      json: contract.CodeResult,
      media: ["text/plain"],
      events: CodeEvent,
      headers: {
        "Guestd-Run-Id": "the run that the cell is",
        "Guestd-Ending": "trailer of plain text: how the cell ended",
        "Guestd-Status": "trailer of plain text: ok or error",
        "Guestd-Exit-Code": "trailer of plain text: of a kernel that exited under the cell",
      },
    },
  },
};

type Wanted = InferOutput<typeof contract.CodeBody>;

async function runCode(c: EdgeContext, contexts: Contexts): Promise<Response> {
  const { status = false, ...query } = parseQuery(c, contract.CodeQuery);
  const wanted = readWanted(c, query, await readBody(c.env.incoming, MAX_BODY_BYTES));
  checkEnvironment(wanted.envs);
  const context = await pick(contexts, c.req.param("language") ?? "", wanted.context);
  const { code, envs, timeoutMs } = wanted;
  const { signal } = c.var.request;
  const run = context.execute({ code, envs, timeoutMs: timeoutMs || undefined }, signal);
  const place = { contextId: context.id, cellsAhead: context.queueLength - 1 };
  return answer(c, run, { place, hasStatus: status });
}

function readWanted(
  c: EdgeContext,
  query: Omit<InferOutput<typeof contract.CodeQuery>, "status">,
  body: Buffer,
): Wanted {
  if (isJson(c)) return { ...query, ...parseJsonBytes(body, contract.CodeBody) };
  if (body.length > 0) return { ...query, code: body.toString("utf8"), envs: {} };
  throw new SandboxError("invalid_argument", "the body is empty: it should be code", {
    hint: "curl $G/v1/code/python --data-binary '1 + 1'",
  });
}

async function pick(contexts: Contexts, language: string, contextId: string | undefined): Promise<CodeContext> {
  if (!contextId) return contexts.default(language);
  const context = contexts.get(contextId);
  if (context.language === contexts.languageOf(language)) return context;
  const message = `context ${contextId} is one of ${context.language}, not of ${JSON.stringify(language)}`;
  throw new SandboxError("invalid_argument", message);
}

async function answer(
  c: EdgeContext,
  run: Run,
  { place, hasStatus }: { place: CellPlace; hasStatus: boolean },
): Promise<Response> {
  const { signal } = c.var.request;
  const format = wantedFormat(c);
  const headers = { "Guestd-Run-Id": run.id, "Guestd-Context-Id": place.contextId, Location: `/v1/runs/${run.id}` };
  if (format === "json") return c.json(await cellResult(run, place.contextId, signal), 200, headers);
  const options = { headers: { ...headers, ...streamHeaders(format) } };
  if (format === "raw") {
    await pump(cellText(run, hasStatus, signal), c.env.outgoing, {
      headers: { ...options.headers, Trailer: TRAILERS },
      trailers: () => cellTrailers(run),
    });
    return RESPONSE_ALREADY_SENT;
  }
  async function* frames(encoding: "ndjson" | "sse"): AsyncGenerator<Buffer> {
    for await (const { event, position } of cellEvents(run, place, signal))
      yield encodeEvent(encoding, event, position);
  }
  await pump(frames(format), c.env.outgoing, { ...options, keepalive: RUN_KEEPALIVES[format] });
  return RESPONSE_ALREADY_SENT;
}
