import * as v from "valibot";

/** A number as the reference reads it: what is none, or below 1, counts as absent. */
const count = v.optional(
  v.pipe(
    v.string(),
    v.transform((text) => (/^\d{1,15}$/.test(text) && Number(text) > 0 ? Number(text) : undefined)),
  ),
);

/** Query of `POST /freeze`. */
export const FreezeQuery = v.object({
  mode: v.optional(v.pipe(v.string(), v.description("legacy or hierarchy; anything else is legacy"))),
  maxCgroups: v.pipe(
    count,
    v.description("in the mode hierarchy: trees to freeze at most; 512 unless given, at most 8192"),
  ),
  maxWaitMs: v.pipe(
    count,
    v.description("how long to wait until all has stopped, at most a minute; not at all unless given"),
  ),
});

/** Answer of `POST /freeze` with `maxWaitMs`; counts are of trees: one program with everything it has started. */
export const FreezeAnswer = v.object({
  mode: v.picklist(["legacy", "hierarchy"]),
  visited: v.number(),
  allowlisted: v.pipe(v.number(), v.description("always 0: guestd itself is in no tree")),
  truncated: v.boolean(),
  preFrozen: v.pipe(v.number(), v.description("all of it was stopped before, and stays so")),
  requested: v.number(),
  frozen: v.number(),
  notFrozen: v.pipe(v.number(), v.description("some of it still runs")),
  failed: v.pipe(v.number(), v.description("some of it is not guestd's to stop")),
  unobservable: v.pipe(v.number(), v.description("nothing of it is left")),
  sweepMs: v.number(),
  waitMs: v.number(),
});

/** Answer of `POST /collapse`. */
export const CollapseAnswer = v.object({
  regions: v.number(),
  chunks: v.number(),
  collapsed: v.number(),
  alreadyHuge: v.number(),
  skipped: v.number(),
  elapsedMs: v.number(),
});
