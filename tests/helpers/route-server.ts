import { createApp } from "../../src/edge/app.ts";
import { Gate } from "../../src/edge/gate.ts";
import { HostRule } from "../../src/edge/host-rule.ts";
import { Listeners } from "../../src/edge/listeners.ts";
import type { Route } from "../../src/edge/route.ts";
import { Access } from "../../src/lifecycle/access.ts";
import { createLogger } from "../../src/log.ts";

export interface RouteServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Lines of its log so far that tell of errors, parsed. */
  readonly log: Record<string, unknown>[];
}

export interface RouteServerOptions {
  routes: readonly Route[];
  /** Without a token unless given. */
  access?: Access;
  checkUser?: (name: string) => void;
}

/** Some routes behind the daemon's own edge, on a port of their own. */
export async function serveRoutes(options: RouteServerOptions): Promise<RouteServer> {
  const { routes, access = new Access({ token: undefined, isLocked: false }), checkUser = () => undefined } = options;
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = createLogger({ level: "error", format: "json", write });
  const listeners = new Listeners({ log });
  const app = createApp(
    {
      routes,
      gate: new Gate({ access, isStrictInterpreter: false }),
      hostRule: new HostRule({ allowedHosts: [] }),
      guardsHost: true,
      log,
      checkUser,
      server: "guestd/test",
      onMoved: () => undefined,
      onAnswered: () => undefined,
    },
    listeners,
  );
  const port = await listeners.open(app, { host: "127.0.0.1", port: 0, face: "api" });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    log: lines,
    [Symbol.asyncDispose]: () => listeners[Symbol.asyncDispose](),
  };
}
