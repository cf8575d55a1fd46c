import * as v from "valibot";
import { noList, stringMap } from "./json-object.ts";
import { EndMembers, InterruptionMembers, QueryNumber, Switch } from "./runs.ts";

/** Query of `POST /v1/code/{language}`. */
export const CodeQuery = v.object({
  context: v.optional(v.pipe(v.string(), v.description("id of a context; without it the default one of the language"))),
  timeoutMs: v.optional(v.pipe(QueryNumber, v.description("the cell is interrupted this long after its start; ms"))),
  status: v.optional(v.pipe(Switch, v.description("the last line of plain text says how the cell ended"))),
});

/** JSON body of `POST /v1/code/{language}`; any other body is the code itself. */
export const CodeBody = noList(
  v.strictObject({
    code: v.string(),
    context: v.optional(v.string()),
    envs: v.optional(v.pipe(stringMap(), v.description("variables for this cell only")), {}),
    timeoutMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.description("milliseconds; 0 is none"))),
  }),
);

/** Answer of a cell that was waited for. */
export const CodeResult = v.object({
  id: v.string(),
  contextId: v.string(),
  ...EndMembers,
  count: v.pipe(v.nullable(v.number()), v.description("which cell of its kernel this was")),
  stdout: v.string(),
  stderr: v.string(),
  results: v.array(
    v.object({
      isMain: v.pipe(v.boolean(), v.description("the value of the cell, not a display")),
      data: v.pipe(v.record(v.string(), v.unknown()), v.description("media type to value")),
    }),
  ),
  error: v.nullable(v.object({ name: v.string(), value: v.string(), traceback: v.string() })),
  omitted: v.optional(
    v.pipe(
      v.object({ stdout: v.number(), stderr: v.number(), results: v.number() }),
      v.description("characters left out at the front, results at the end; the run's log has them"),
    ),
  ),
});

/** Body of `POST /v1/contexts`. */
export const NewContext = noList(
  v.strictObject({ language: v.optional(v.pipe(v.string(), v.nonEmpty())), cwd: v.optional(v.string()) }),
);
export const NativeContext = v.object({
  id: v.string(),
  language: v.string(),
  cwd: v.string(),
  cells: v.pipe(v.number(), v.description("cells that wait or run")),
  createdAt: v.string(),
  idleMs: v.pipe(v.number(), v.description("how long no cell has run or waited")),
  lastLoss: v.pipe(
    v.nullable(v.object({ at: v.string(), reason: v.string() })),
    v.description("when and why its state was last lost without a restart having been asked for"),
  ),
});
/** Query of `POST /v1/contexts/{id}/interrupt`. */
export const InterruptQuery = v.object({
  graceMs: v.optional(v.pipe(QueryNumber, v.description("how long the cell may take to stop; 5000 unless given"))),
  kill: v.optional(v.pipe(Switch, v.description("0: a cell that does not stop goes on; else its kernel is replaced"))),
});
export const Interruption = v.object({
  ...InterruptionMembers,
  runId: v.pipe(v.nullable(v.string()), v.description("the cell that was meant; null when none ran")),
});
export const NativeContextList = v.object({ contexts: v.array(NativeContext) });
