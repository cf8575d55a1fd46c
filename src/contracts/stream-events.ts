import * as v from "valibot";
import { EndMembers, InterruptionMembers } from "./runs.ts";

/** What a quiet stream says now and then. */
const Keepalive = v.object({ type: v.literal("keepalive") });
const End = v.object({ type: v.literal("end"), ...EndMembers });
const OutputOf = { type: v.literal("output"), stream: v.picklist(["stdout", "stderr", "pty", "events"]) };
const Offset = v.pipe(v.number(), v.description("of its first byte in that stream"));

/** Events of a run, and of its log. */
export const RunEvent = v.union([
  v.object({ type: v.literal("start"), id: v.string(), pid: v.nullable(v.number()) }),
  v.object({
    ...OutputOf,
    offset: Offset,
    text: v.string(),
    lossy: v.optional(v.pipe(v.literal(true), v.description("the bytes were no UTF-8"))),
  }),
  v.object({ ...OutputOf, offset: Offset, base64: v.string() }),
  Keepalive,
  End,
]);

const Failed = { name: v.string(), value: v.string(), traceback: v.string() };

/** Events of a code cell. */
export const CodeEvent = v.union([
  v.object({
    type: v.literal("start"),
    id: v.string(),
    contextId: v.string(),
    cellsAhead: v.pipe(v.number(), v.description("cells of the context that come before it")),
  }),
  v.object({ type: v.literal("count"), count: v.pipe(v.number(), v.description("which cell of its kernel this is")) }),
  v.object({ type: v.literal("output"), stream: v.picklist(["stdout", "stderr"]), text: v.string() }),
  v.object({
    type: v.literal("result"),
    isMain: v.pipe(v.boolean(), v.description("the value of the cell, not a display")),
    data: v.pipe(v.record(v.string(), v.unknown()), v.description("media type to value")),
  }),
  v.object({ type: v.literal("error"), ...Failed }),
  Keepalive,
  End,
]);

const Printed = { text: v.string(), timestamp: v.pipe(v.string(), v.description("ISO 8601, when it was printed")) };
const Shown = v.optional(v.string());

/** A line of `POST /execute`. */
export const ExecuteEvent = v.union([
  v.object({ type: v.literal("number_of_executions"), execution_count: v.number() }),
  v.object({ type: v.literal("stdout"), ...Printed }),
  v.object({ type: v.literal("stderr"), ...Printed }),
  v.object({
    type: v.literal("result"),
    text: Shown,
    html: Shown,
    markdown: Shown,
    svg: Shown,
    png: v.optional(v.pipe(v.string(), v.description("base64, as are jpeg and pdf"))),
    jpeg: Shown,
    pdf: Shown,
    latex: Shown,
    json: v.optional(v.unknown()),
    javascript: Shown,
    data: v.optional(v.pipe(v.unknown(), v.description("a data frame, by columns"))),
    chart: v.optional(v.unknown()),
    extra: v.pipe(v.record(v.string(), v.unknown()), v.description("other media types to their values")),
    is_main_result: v.pipe(v.boolean(), v.description("the value of the cell, not a display")),
  }),
  v.object({ type: v.literal("error"), ...Failed }),
  Keepalive,
  v.object({
    type: v.literal("end_of_execution"),
    interruption: v.optional(
      v.object({ outcome: InterruptionMembers.outcome, state_kept: InterruptionMembers.stateKept }),
    ),
  }),
]);
