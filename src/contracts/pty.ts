import * as v from "valibot";
import { noList } from "./json-object.ts";
import { QueryNumber, TerminalExtent, TerminalSize } from "./runs.ts";

const QueryExtent = v.pipe(QueryNumber, TerminalExtent);

/** Query of the WebSocket `/v1/pty`. */
export const PtyQuery = v.object({
  cmd: v.optional(
    v.pipe(v.string(), v.nonEmpty(), v.description("shell command line; a login shell of the user unless given")),
  ),
  cols: v.optional(QueryExtent),
  rows: v.optional(QueryExtent),
  cwd: v.optional(v.string()),
  user: v.optional(v.string()),
  tag: v.optional(v.string()),
  timeoutMs: v.optional(QueryNumber),
  idleTimeoutMs: v.optional(QueryNumber),
});

/** Query of the WebSocket `/v1/runs/{id}/attach`. */
export const AttachQuery = v.object({
  offset: v.optional(
    v.pipe(QueryNumber, v.description("where to begin; what is kept from the oldest byte unless given")),
  ),
});

export const ResizeBody = noList(TerminalSize);

/** A text frame of a client. */
export const Control = v.variant("type", [
  v.object({ type: v.literal("resize"), ...TerminalSize.entries }),
  v.object({
    type: v.literal("signal"),
    signal: v.string(),
    scope: v.optional(v.picklist(["leader", "group", "tree"]), "group"),
  }),
  v.object({ type: v.literal("eof") }),
  v.object({ type: v.literal("ping") }),
]);
