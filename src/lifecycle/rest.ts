import { resolve } from "node:path";
import * as v from "valibot";
import { HealthQuery, InitBody } from "../contracts/lifecycle.ts";
import { readBody } from "../edge/body.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBytes, parseQuery } from "../edge/validate.ts";
import type { InitRequest, Lifecycle } from "./lifecycle.ts";

/** An `/init` body larger than this is none. */
const MAX_INIT_BYTES = 1024 * 1024;
/** Of what a caller calls something. */
const MAX_LOGGED_UNITS = 100;
const NO_STORE = { "Cache-Control": "no-store" };
/** The version of the wire contract that control planes look for. */
const ENVD_VERSION = "0.6.13";

/** What health checks ask for. */
export interface Readiness {
  /** The interpreter's waits for the default contexts. */
  areKernelsReady(this: void): boolean;
  /** How far what the image starts has come. */
  templateState(this: void): "starting" | "ready" | "failed" | "stopped";
}

/** `/health`, `/init` and `/envs`. */
export function lifecycleRoutes(lifecycle: Lifecycle, { areKernelsReady, templateState }: Readiness): Route[] {
  return [
    route("GET /health", { family: "rest", access: "open", face: "api", doc: HEALTH }, (c) => {
      const { ready = false } = parseQuery(c, HealthQuery);
      const state = templateState();
      // Who has cancelled the start command is not waiting for it.
      const isReady = state === "ready" || state === "stopped";
      if (!ready || (isReady && areKernelsReady())) return c.body(null, 204, NO_STORE);
      return c.text(`${state === "failed" ? "the start command has failed" : "starting"}\n`, 503, NO_STORE);
    }),
    route("GET /health", { family: "interpreter", access: "open", face: "interpreter" }, (c) =>
      areKernelsReady() ? c.json("OK") : c.json("starting", 503),
    ),
    route("GET /envs", { family: "rest", access: "token", doc: ENVS }, (c) =>
      c.json(lifecycle.globalEnv, 200, NO_STORE),
    ),
    route("POST /init", { family: "rest", access: "open", doc: INIT }, (c) => init(c, lifecycle)),
  ];
}

const HEALTH = {
  summary: "Whether the daemon answers; with `ready`, whether what the image starts and the default contexts are ready",
  tag: "lifecycle",
  query: HealthQuery,
  answers: {
    200: { description: "the interpreter's port: its default contexts are there", json: v.literal("OK") },
    204: { description: "it does" },
    503: { description: "not ready yet, or the start command has failed", media: ["text/plain"] },
  },
};
const ENVS = {
  summary: "Environment variables of every program",
  tag: "lifecycle",
  answers: { 200: { description: "name to value", json: v.record(v.string(), v.string()) } },
};
const INIT = {
  summary:
    "Sets token, variables and defaults, and of the machine: the clock (with --set-clock), events.e2b.local, certificates, NFS volumes",
  tag: "lifecycle",
  body: InitBody,
  isBodyOptional: true,
  failsAsText: true,
  answers: {
    204: { description: "applied, or older than what was applied" },
    400: {
      description:
        "what cannot be meant, and nothing was changed; or certificates or volumes that failed, and all else is applied",
    },
    401: { description: "not the token that there is, or that the metadata service has told of" },
    503: { description: "the metadata service gives no answer" },
  },
};

async function init(c: EdgeContext, lifecycle: Lifecycle): Promise<Response> {
  c.env.outgoing.setHeader("X-Envd-Version", ENVD_VERSION);
  try {
    const audit = await lifecycle.initialize(await readInit(c), c.var.request.signal);
    if (audit) c.env.outgoing.setHeader("X-Envd-Freeze-Audit", JSON.stringify(audit));
    return c.body(null, 204, NO_STORE);
  } catch (thrown) {
    const error = c.var.request.fail(thrown);
    const status =
      error.code === "unauthenticated"
        ? 401
        : error.code === "unavailable"
          ? 503
          : error.code === "internal"
            ? 500
            : 400;
    return c.text(error.message, status);
  }
}

async function readInit(c: EdgeContext): Promise<InitRequest> {
  const body = await readBody(c.env.incoming, MAX_INIT_BYTES);
  const heardAtMs = performance.now();
  if (body.length === 0) return { heardAtMs };
  const parsed = parseJsonBytes(body, InitBody);
  return {
    accessToken: parsed.accessToken ?? undefined,
    envVars: parsed.envVars ?? undefined,
    timestampNs: parsed.timestamp ? toNanoseconds(parsed.timestamp) : undefined,
    defaultUser: parsed.defaultUser ?? undefined,
    defaultWorkdir: parsed.defaultWorkdir ?? undefined,
    machine: {
      eventsAddress: parsed.hyperloopIP || undefined,
      certificates: parsed.caBundle || undefined,
      volumes: parsed.volumeMounts?.map(({ nfs_target: target, path }) => ({ target, path: resolve(path) })),
    },
    lifecycleId: parsed.lifecycleID?.slice(0, MAX_LOGGED_UNITS),
    heardAtMs,
  };
}

/** RFC 3339 with up to nine fractional digits. */
function toNanoseconds(timestamp: string): bigint {
  const fraction = /\.(\d+)/.exec(timestamp)?.[1] ?? "";
  const wholeMs = Date.parse(timestamp.toUpperCase().replace(/\.\d+/, ""));
  return BigInt(wholeMs) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}
