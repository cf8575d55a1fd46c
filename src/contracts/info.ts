import * as v from "valibot";

/** Available, or why not and what would help. */
const Availability = {
  available: v.boolean(),
  detail: v.optional(v.string()),
  why: v.optional(v.string()),
  fix: v.optional(v.string()),
};

/** Answer of `GET /v1/info`. */
export const InfoAnswer = v.object({
  version: v.string(),
  node: v.string(),
  startedAt: v.string(),
  access: v.picklist(["token", "locked", "open"]),
  user: v.pipe(v.string(), v.description("who guestd runs as")),
  defaultUser: v.pipe(v.string(), v.description("who programs run as unless a request says")),
  capabilities: v.record(v.string(), v.object(Availability)),
  kernels: v.record(
    v.string(),
    v.object({
      ...Availability,
      aliases: v.array(v.string()),
      version: v.optional(v.string()),
      engine: v.optional(v.string()),
    }),
  ),
  limits: v.record(v.string(), v.number()),
  template: v.object({
    state: v.pipe(
      v.picklist(["starting", "ready", "failed", "stopped"]),
      v.description("`stopped`: the start command was cancelled, and nothing is waited for"),
    ),
    why: v.optional(
      v.pipe(v.string(), v.description("it is not ready: what failed last, and the end of what that said")),
    ),
    run: v.optional(v.pipe(v.string(), v.description("of the start command"))),
    restarts: v.number(),
  }),
});
