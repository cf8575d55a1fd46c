import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { SandboxError } from "../errors.ts";
import { endStreamFrame } from "./connect/envelope.ts";
import { connectErrorBody, connectStatus, httpStatus, problemBody, restErrorBody } from "./errors.ts";
import type { EdgeContext } from "./request-context.ts";
import type { Route, RouteFamily } from "./route.ts";

const REST_HEADERS = { "Content-Type": "application/json; charset=utf-8", "X-Content-Type-Options": "nosniff" };

/** The answer to a request that failed before or in its handler, in the words of its route's family. */
export function errorResponse(c: EdgeContext, thrown: unknown, family: RouteFamily): Response {
  const error = c.var.request.fail(thrown);
  if (c.env.outgoing.headersSent) {
    // Too late for words: a stream that is cut off is at least no stream that has ended.
    c.env.outgoing.destroy();
    return RESPONSE_ALREADY_SENT;
  }
  // Before the router the reference speaks plain JSON on every route but its own streams; its clients map both.
  if (error.reason === "token_missing" || error.reason === "token_invalid" || error.reason === "not_initialized") {
    return family === "native" ? problem(c, error) : rest(c, error);
  }
  if (family === "native") return problem(c, error);
  if (family === "rest" && error.reason !== "user_unknown") return rest(c, error);
  if (family === "interpreter") return c.text(error.message, httpStatus(error) as ContentfulStatusCode);
  return connect(c, error);
}

/** The same without words, where the contract has none. */
export function emptyErrorResponse(c: EdgeContext, thrown: unknown): Response {
  return c.body(null, httpStatus(c.var.request.fail(thrown)) as ContentfulStatusCode);
}

/** Hono takes byte arrays over plain buffers only, which is what ours always are. */
export function bodyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/** 404 as each contract has it. */
export function notFound(c: EdgeContext): Response {
  if (c.var.request.face === "interpreter") return c.json({ detail: "Not Found" }, 404);
  return c.text("404 page not found\n", 404);
}

/** 405 as each contract has it; `routes` are those of the path. */
export function methodNotAllowed(c: EdgeContext, routes: readonly Route[]): Response {
  const headers = { Allow: [...new Set(routes.map(({ method }) => method))].join(", ") };
  if (c.var.request.face === "interpreter") return c.json({ detail: "Method Not Allowed" }, 405, headers);
  return c.body(null, 405, headers);
}

function problem(c: EdgeContext, error: SandboxError): Response {
  return c.body(problemBody(error, c.req.path), httpStatus(error) as ContentfulStatusCode, {
    "Content-Type": "application/problem+json",
  });
}

function rest(c: EdgeContext, error: SandboxError): Response {
  const status = httpStatus(error);
  return c.body(restErrorBody(status, error.message), status as ContentfulStatusCode, REST_HEADERS);
}

/** A stream that fails before it begins is answered 200 with the error in its only frame. */
function connect(c: EdgeContext, error: SandboxError): Response {
  const type = c.req.header("content-type") ?? "";
  const stream = /^application\/connect\+(json|proto)/.exec(type)?.[0];
  if (stream && c.req.method === "POST") {
    return c.body(bodyBytes(endStreamFrame(error)), 200, { "Content-Type": stream });
  }
  const status = connectStatus(error) as ContentfulStatusCode;
  return c.body(JSON.stringify(connectErrorBody(error)), status, { "Content-Type": "application/json" });
}
