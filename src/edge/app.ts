import { Hono } from "hono";
import type { Logger } from "../log.ts";
import { allowReading, answerPreflight, isPreflight } from "./cors.ts";
import { basicUser, type Gate } from "./gate.ts";
import type { HostRule } from "./host-rule.ts";
import { errorResponse, methodNotAllowed, notFound } from "./replies.ts";
import { type EdgeContext, type EdgeEnv, type Face, RequestContext } from "./request-context.ts";
import { RequestIds } from "./request-id.ts";
import { type AnsweredRequest, logRequest } from "./request-log.ts";
import type { Route, RouteFamily } from "./route.ts";

export interface AppOptions {
  routes: readonly Route[];
  gate: Gate;
  hostRule: HostRule;
  /** Whether requests must use a name of this machine while there is no token: on loopback addresses. */
  guardsHost: boolean;
  log: Logger;
  /** Throws unauthenticated when there is no account of that name. */
  checkUser: (name: string) => void;
  /** Value of the `Server` header. */
  server: string;
  /** Told when a request is over, with the bytes that it and its answer have moved. */
  onMoved: (bytes: number) => void;
  /** Told when a request was answered or broken off. */
  onAnswered: (request: AnsweredRequest) => void;
}

/** Where a request came in. */
export interface Origins {
  /** Which contract that listener stands for. */
  faceOf(this: void, c: EdgeContext): Face;
  /** Whether it is one that no web page can reach. */
  isLocal(this: void, c: EdgeContext): boolean;
}

/** Builds the one app. */
export function createApp(options: AppOptions, { faceOf, isLocal }: Origins): Hono<EdgeEnv> {
  const { gate, hostRule, log } = options;
  const app = new Hono<EdgeEnv>({ strict: true });
  const ids = new RequestIds();
  app.use(async (c, next) => {
    const request = new RequestContext(c.env, { listenerFace: faceOf(c), log, ids });
    c.set("request", request);
    const { outgoing } = c.env;
    outgoing.setHeader("Server", options.server);
    outgoing.setHeader("X-Request-Id", request.id);
    logRequest(c, log, options.onAnswered);
    noteMoved(c.env, options.onMoved);
    const isGuarded = options.guardsHost && gate.state === "open" && c.req.path !== "/health" && !isLocal(c);
    const refused = isGuarded ? checkHost(c, hostRule) : undefined;
    if (refused) return refused;
    if (isPreflight(c)) return answerPreflight(c);
    allowReading(c);
    return next();
  });
  for (const [path, routes] of byPath(options.routes)) mountPath(app, path, routes, options);
  app.notFound((c) => {
    const denied = admit(c, options, { family: familyOf(c.req.path), access: "token" });
    return denied ?? notFound(c);
  });
  app.onError((error, c) => errorResponse(c, error, familyOf(c.req.path)));
  return app;
}

function noteMoved({ incoming: { socket }, outgoing }: EdgeEnv["Bindings"], onMoved: AppOptions["onMoved"]): void {
  const moved = (): number => socket.bytesRead + socket.bytesWritten;
  const before = moved();
  outgoing.once("close", () => onMoved(moved() - before));
}

function byPath(routes: readonly Route[]): Map<string, Route[]> {
  return Map.groupBy(routes, (route) => route.path);
}

/** One handler per method and path; a path's other methods are answered 405, its faces kept apart. */
function mountPath(app: Hono<EdgeEnv>, path: string, routes: readonly Route[], options: AppOptions): void {
  for (const [method, sameMethod] of Map.groupBy(routes, (route) => route.method)) {
    app.on(method, path, async (c) => {
      const route = sameMethod.find(({ face }) => face === undefined || face === c.var.request.face);
      c.var.request.route = route?.path;
      return route ? runRoute(c, route, options) : notFound(c);
    });
  }
  app.all(path, (c) => {
    const offered = routes.filter(({ face }) => face === undefined || face === c.var.request.face);
    const [first] = offered;
    if (!first) return notFound(c);
    return admit(c, options, { family: first.family, access: "token" }) ?? methodNotAllowed(c, offered);
  });
}

async function runRoute(c: EdgeContext, route: Route, options: AppOptions): Promise<Response> {
  try {
    return admit(c, options, route) ?? (await route.handle(c));
  } catch (error) {
    return errorResponse(c, error, route.family);
  }
}

/** Token, then user: the answer that refuses the request, or undefined. */
function admit(c: EdgeContext, options: AppOptions, route: Pick<Route, "family" | "access">): Response | undefined {
  try {
    options.gate.check(c, route.access);
    const user = basicUser(c);
    if (user !== undefined) options.checkUser(user);
    c.var.request.user = user;
    return undefined;
  } catch (error) {
    return errorResponse(c, error, route.family);
  }
}

function checkHost(c: EdgeContext, rule: HostRule): Response | undefined {
  try {
    rule.check(c.req.header("host"), c.req.header("origin"));
    return undefined;
  } catch (error) {
    const refusal = c.var.request.fail(error);
    return c.text(
      `${refusal.message}${refusal.hint ? `; ${refusal.hint}` : ""}\n`,
      refusal.reason === "host_not_allowed" ? 421 : 403,
    );
  }
}

/** Paths without a route: whose errors they speak. */
function familyOf(path: string): RouteFamily {
  if (path.startsWith("/v1/")) return "native";
  return /^\/(process\.Process|filesystem\.Filesystem)\//.test(path) ? "rpc" : "rest";
}
