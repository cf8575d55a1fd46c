import * as v from "valibot";
import { Switch } from "./runs.ts";

/** Query of `GET /v1/ports`. */
export const PortsQuery = v.object({
  follow: v.optional(v.pipe(Switch, v.description("goes on with each port that is opened or closed"))),
});

const members = {
  port: v.number(),
  address: v.pipe(
    v.string(),
    v.description(
      "what the program has bound: `127.0.0.1`, `0.0.0.0`, `::`; `::ffff:127.0.0.1` is what Java calls 127.0.0.1",
    ),
  ),
  pid: v.optional(v.pipe(v.number(), v.description("absent where guestd may not look"))),
  command: v.optional(v.string()),
  run: v.optional(v.pipe(v.string(), v.description("id of the run that the program belongs to"))),
  context: v.optional(
    v.pipe(v.string(), v.description("id of the code context whose kernel has opened it, or started who has")),
  ),
};

/** A port that a program listens on. */
export const ListedPort = v.object(members);
export type ListedPort = v.InferOutput<typeof ListedPort>;

export const PortList = v.object({ ports: v.array(ListedPort) });

/** A line of the feed: those that are open at first, `ready`, and what comes and goes after that. */
export const PortFeedEvent = v.variant("type", [
  v.object({ type: v.picklist(["opened", "closed"]), ...members }),
  v.object({ type: v.literal("ready") }),
  v.object({ type: v.literal("keepalive") }),
]);
export type PortFeedEvent = v.InferOutput<typeof PortFeedEvent>;
