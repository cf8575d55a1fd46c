import type { EdgeContext, Face } from "./request-context.ts";
import type { RouteAccess } from "./gate.ts";
import type { OperationDoc } from "./operation-doc.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * How errors look on a route: Connect JSON (`rpc`), `{"code","message"}` (`rest`), plain text or validation details
 * (`interpreter`), or RFC 9457 problems (`native`).
 */
export type RouteFamily = "rpc" | "rest" | "interpreter" | "native";

/** One method on one path: everything the app, the tests and the documentation need to know of it. */
export interface Route {
  method: HttpMethod;
  /** Hono's pattern, `/v1/runs/:id`. */
  path: string;
  family: RouteFamily;
  access: RouteAccess;
  /** Only on this face; on both unless given. */
  face?: Face;
  /** What the served OpenAPI document says of it; native and REST routes have it. */
  doc?: OperationDoc;
  handle: RouteHandler;
}

export type RouteHandler = (c: EdgeContext) => Response | Promise<Response>;

/** `route("GET /v1/info", { family: "native", access: "token" }, handler)` */
export function route(
  line: `${HttpMethod} /${string}`,
  options: Omit<Route, "method" | "path" | "handle">,
  handle: RouteHandler,
): Route {
  const [method, path] = line.split(" ") as [HttpMethod, string];
  return { method, path, ...options, handle };
}
