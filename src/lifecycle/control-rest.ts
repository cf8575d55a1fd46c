import type * as v from "valibot";
import { CollapseAnswer, FreezeAnswer, FreezeQuery } from "../contracts/control.ts";
import { restErrorBody } from "../edge/errors.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseQuery } from "../edge/validate.ts";
import type { Freezer, FrozenFileSystem } from "./types.ts";

/** Trees that are frozen in the mode hierarchy, unless more are asked for … */
const USUAL_TREES = 512;
/** … and at most. */
const MAX_TREES = 8192;
/** Nobody is kept waiting for longer, nor whoever wants to thaw meanwhile. */
const MAX_WAIT_MS = 60_000;
/** The only program that the contract lets the daemon be replaced by. */
const NEXT_DAEMON = "/usr/bin/envd.next";
const NO_STORE = { "Cache-Control": "no-store" };

export interface ControlDeps {
  freezer: Freezer;
  fileSystem: FrozenFileSystem;
  /** Whether a control plane has initialised the daemon. */
  isInitialized(this: void): boolean;
}

/** What control planes ask for around a snapshot. */
export function controlRoutes({ freezer, fileSystem, isInitialized }: ControlDeps): Route[] {
  const options = { family: "rest", access: "token" } as const;
  return [
    route("POST /freeze", { ...options, doc: FREEZE }, (c) => freeze(c, freezer)),
    route("POST /unfreeze", { ...options, doc: UNFREEZE }, async (c) => {
      await freezer.thaw();
      return c.body(null, 204, NO_STORE);
    }),
    route("POST /collapse", { ...options, doc: COLLAPSE }, (c) => c.json(NOTHING_COLLAPSED, 200, NO_STORE)),
    route("POST /fsfreeze", { ...options, doc: FREEZE_FILES }, (c) =>
      onFiles(c, (signal) => fileSystem.freeze(signal)),
    ),
    route("POST /fsthaw", { ...options, doc: THAW_FILES }, (c) => onFiles(c, (signal) => fileSystem.thaw(signal))),
    route("POST /upgrade", { ...options, doc: UPGRADE }, (c) => {
      if (!isInitialized()) return c.text("envd not initialized", 409);
      const program = c.req.header("x-envd-upgrade-bin");
      if (program && program !== NEXT_DAEMON) return c.text("unsupported upgrade target", 400);
      return error(c, 501, "guestd cannot be replaced while it runs: stop it, and start the other one");
    }),
  ];
}

const GONE = { description: "the caller went away while it waited" };
const FREEZE = {
  summary: "Freezes all programs, terminals and kernels, for ten minutes at most; what is started meanwhile waits",
  tag: "lifecycle",
  query: FreezeQuery,
  answers: {
    200: { description: "with `maxWaitMs`: how far it has come", json: FreezeAnswer },
    204: { description: "without: they are being frozen" },
    503: GONE,
  },
};
const UNFREEZE = {
  summary: "Lets everything that was frozen go on",
  tag: "lifecycle",
  answers: { 204: { description: "it does; also when nothing was frozen" } },
};
const COLLAPSE = {
  summary: "Asks the daemon to move its memory to huge pages; guestd has none that is worth it, and says so",
  tag: "lifecycle",
  answers: { 200: { description: "nothing was moved", json: CollapseAnswer } },
};
const FREEZE_FILES = {
  summary:
    "Writes out the file system of --freezable-fs, and lets nothing more be written to it, for ten minutes at most",
  tag: "lifecycle",
  answers: { 204: { description: "it is frozen" }, 500: { description: "it cannot be, or must not be" }, 503: GONE },
};
const THAW_FILES = {
  summary: "Lets the file system of --freezable-fs be written to again",
  tag: "lifecycle",
  answers: { 204: { description: "it is" }, 500: { description: "it cannot be" }, 503: GONE },
};
const UPGRADE = {
  summary: "Replaces the daemon while its programs run: guestd does not do that",
  tag: "lifecycle",
  headers: { "X-Envd-Upgrade-Bin": `${NEXT_DAEMON}, or nothing` },
  answers: {
    400: { description: "another program than that", media: ["text/plain"] },
    409: { description: "before the first /init", media: ["text/plain"] },
    501: { description: "not done" },
  },
};

const NOTHING_COLLAPSED: v.InferOutput<typeof CollapseAnswer> = {
  regions: 0,
  chunks: 0,
  collapsed: 0,
  alreadyHuge: 0,
  skipped: 0,
  elapsedMs: 0,
};

async function freeze(c: EdgeContext, freezer: Freezer): Promise<Response> {
  const query = parseQuery(c, FreezeQuery);
  const mode = query.mode === "hierarchy" ? query.mode : "legacy";
  const maxTrees = mode === "legacy" ? Infinity : Math.min(query.maxCgroups ?? USUAL_TREES, MAX_TREES);
  const waitMs = Math.min(query.maxWaitMs ?? 0, MAX_WAIT_MS);
  const { signal } = c.var.request;
  try {
    const report = await freezer.freeze({ maxTrees, waitMs, signal });
    if (waitMs === 0) return c.body(null, 204, NO_STORE);
    const { sweepMs, waitMs: waitedMs, ...counts } = report;
    const times = { sweepMs: Math.round(sweepMs), waitMs: Math.round(waitedMs) };
    return c.json({ mode, allowlisted: 0, ...counts, ...times }, 200, NO_STORE);
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    c.var.request.fail(thrown);
    return c.body(null, 503);
  }
}

/** Failures are 500 whatever they are: the contract has no other. */
async function onFiles(c: EdgeContext, work: (signal: AbortSignal) => Promise<void>): Promise<Response> {
  const { signal } = c.var.request;
  try {
    await work(signal);
    return c.body(null, 204, NO_STORE);
  } catch (thrown) {
    const failure = c.var.request.fail(thrown);
    if (signal.aborted) return c.body(null, 503);
    const { message, hint } = failure;
    return error(c, 500, hint === undefined ? message : `${message}; ${hint}`);
  }
}

function error(c: EdgeContext, status: 500 | 501, message: string): Response {
  return c.body(restErrorBody(status, message), status, { "Content-Type": "application/json" });
}
