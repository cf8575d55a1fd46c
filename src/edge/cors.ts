import type { EdgeContext } from "./request-context.ts";

const METHODS = new Set(["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE"]);
const EXPOSED =
  "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Location, Cache-Control, X-Content-Type-Options, " +
  "Content-Disposition, Content-Range, ETag, Guestd-Run-Id, Guestd-File-Type, Guestd-File-Mode, Guestd-File-Owner, " +
  "Guestd-File-Group, X-Request-Id";

/** Whether the request only asks what another one may do. */
export function isPreflight(c: EdgeContext): boolean {
  return c.req.method === "OPTIONS" && c.req.header("access-control-request-method") !== undefined;
}

/** Answers a preflight for any origin: who may do what is a matter of tokens, not of origins. */
export function answerPreflight(c: EdgeContext): Response {
  const isInterpreter = c.var.request.face === "interpreter";
  const method = c.req.header("access-control-request-method") ?? "";
  const headers: Record<string, string> = {
    Vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  };
  if (c.req.header("origin") !== undefined && METHODS.has(method)) {
    headers["Access-Control-Allow-Origin"] = "*";
    headers["Access-Control-Allow-Methods"] = method;
    headers["Access-Control-Max-Age"] = "7200";
    const wanted = c.req.header("access-control-request-headers");
    if (wanted) headers["Access-Control-Allow-Headers"] = wanted;
  }
  return isInterpreter ? c.body("OK", 200, headers) : c.body(null, 204, headers);
}

/** Lets scripts of any origin read the answer. Set on the raw response: streams have no other. */
export function allowReading(c: EdgeContext): void {
  const { outgoing } = c.env;
  const hasOrigin = c.req.header("origin") !== undefined;
  if (c.var.request.face === "api") outgoing.setHeader("Vary", "Origin");
  if (!hasOrigin) return;
  outgoing.setHeader("Access-Control-Allow-Origin", "*");
  if (c.var.request.face === "api") outgoing.setHeader("Access-Control-Expose-Headers", EXPOSED);
}
