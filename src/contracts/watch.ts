import * as v from "valibot";
import { Switch } from "./runs.ts";

/** Query of `GET /v1/watch`. */
export const WatchQuery = v.object({
  path: v.optional(v.pipe(v.string(), v.description("absolute, or relative to the user's home")), ""),
  recursive: v.optional(Switch),
  entries: v.optional(v.pipe(Switch, v.description("what has changed is described as by Stat"))),
  allowNetworkMounts: v.optional(Switch),
  user: v.optional(v.string()),
  cursor: v.optional(v.pipe(v.string(), v.description("of the last event received, to go on behind it"))),
});

const Name = v.pipe(v.string(), v.description("relative to the watched directory; `.` is itself"));
const Cursor = v.string();
const Mode = v.picklist(["inotify", "polling"]);

/** A line of the feed. */
export const WatchEvent = v.variant("type", [
  v.object({ type: v.literal("ready"), mode: Mode, path: v.string(), watcher: v.string(), cursor: Cursor }),
  v.object({
    type: v.picklist(["create", "write", "remove", "rename", "chmod"]),
    name: Name,
    from: v.optional(v.pipe(v.string(), v.description("its name before, where it was moved within the tree"))),
    entry: v.optional(v.record(v.string(), v.unknown())),
    cursor: Cursor,
  }),
  v.pipe(
    v.object({ type: v.literal("rescan"), cursor: Cursor }),
    v.description("events were lost: everything that is there follows as `create`"),
  ),
  v.pipe(
    v.object({
      type: v.literal("gap"),
      name: Name,
      reason: v.picklist(["budget", "network", "path_too_long"]),
      mode: v.picklist(["polling", "none"]),
      cursor: Cursor,
    }),
    v.description("a part of the tree that the kernel does not watch for us"),
  ),
  v.pipe(
    v.object({ type: v.literal("error"), code: v.string(), message: v.string(), hint: v.optional(v.string()) }),
    v.description("the last event of a feed that cannot go on; what was told before it is true"),
  ),
  v.object({ type: v.literal("keepalive") }),
]);
export type WatchEvent = v.InferOutput<typeof WatchEvent>;
