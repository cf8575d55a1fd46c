import * as v from "valibot";
import { HealthQuery, InitBody } from "../contracts/lifecycle.ts";
import { readBody } from "../edge/body.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseQuery } from "../edge/validate.ts";
import { SandboxError } from "../errors.ts";
import type { InitRequest, Lifecycle } from "./lifecycle.ts";

/** An `/init` body larger than this is none. */
const MAX_INIT_BYTES = 1024 * 1024;
const NO_STORE = { "Cache-Control": "no-store" };
/** The version of the wire contract that control planes look for. */
const ENVD_VERSION = "0.6.13";

/** What health checks ask for. */
export interface Readiness {
  /** The interpreter's waits for the default contexts. */
  areKernelsReady(this: void): boolean;
  /** How far what the image starts has come. */
  templateState(this: void): "starting" | "ready" | "failed";
}

/** `/health`, `/init` and `/envs`. */
export function lifecycleRoutes(lifecycle: Lifecycle, { areKernelsReady, templateState }: Readiness): Route[] {
  return [
    route("GET /health", { family: "rest", access: "open", face: "api", doc: HEALTH }, (c) => {
      const { ready = false } = parseQuery(c, HealthQuery);
      const state = templateState();
      if (!ready || (state === "ready" && areKernelsReady())) return c.body(null, 204, NO_STORE);
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
    503: { description: "not ready yet, or the start command has failed" },
  },
};
const ENVS = {
  summary: "Environment variables of every program",
  tag: "lifecycle",
  answers: { 200: { description: "name to value", json: v.record(v.string(), v.string()) } },
};
const INIT = {
  summary: "Sets token, variables and defaults",
  tag: "lifecycle",
  body: InitBody,
  answers: { 204: { description: "applied" } },
};

async function init(c: EdgeContext, lifecycle: Lifecycle): Promise<Response> {
  c.env.outgoing.setHeader("X-Envd-Version", ENVD_VERSION);
  try {
    await lifecycle.initialize(await readInit(c), c.var.request.signal);
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
  if (body.length === 0) return {};
  const parsed = v.safeParse(InitBody, parseJson(body));
  if (!parsed.success) throw new SandboxError("invalid_argument", `invalid /init body: ${v.summarize(parsed.issues)}`);
  const { accessToken, envVars, timestamp, defaultUser, defaultWorkdir } = parsed.output;
  return {
    accessToken: accessToken ?? undefined,
    envVars: envVars ?? undefined,
    timestampNs: timestamp ? toNanoseconds(timestamp) : undefined,
    defaultUser: defaultUser ?? undefined,
    defaultWorkdir: defaultWorkdir ?? undefined,
  };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new SandboxError("invalid_argument", "invalid /init body: not JSON", { cause: error });
  }
}

/** RFC 3339 with up to nine fractional digits. */
function toNanoseconds(timestamp: string): bigint {
  const fraction = /\.(\d+)/.exec(timestamp)?.[1] ?? "";
  const seconds = Date.parse(timestamp.replace(/\.\d+/, ""));
  return BigInt(seconds) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}
