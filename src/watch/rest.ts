import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type EntryInit, entryJson } from "../contracts/entry-list.ts";
import { WatchEvent, WatchQuery } from "../contracts/watch.ts";
import { encodeEvent, KEEPALIVES, streamHeaders, wantedFormat } from "../edge/event-stream.ts";
import { pump } from "../edge/pump.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseQuery } from "../edge/validate.ts";
import type { SandboxError } from "../errors.ts";
import type { ChangeEntries } from "./change-entries.ts";
import type { FeedReader, Feeds } from "./feeds.ts";
import { type Change, type Entry, shownName, type WatchItem } from "./types.ts";

const KEEPALIVE_MS = 15_000;

/** What the route is made of. */
export interface WatchRoutesDeps {
  feeds: Feeds;
  entries: ChangeEntries;
  /** An entry on the wire. */
  entryInit: (entry: Entry) => EntryInit;
}

/** `/v1/watch`: changes of a directory as they come. */
export function watchRoutes(deps: WatchRoutesDeps): Route[] {
  return [route("GET /v1/watch", { family: "native", access: "token", doc: WATCH }, (c) => watch(c, deps))];
}

const WATCH = {
  summary: "Changes of a directory as they come, as NDJSON or server-sent events; resumed by cursor or Last-Event-ID",
  tag: "files",
  query: WatchQuery,
  headers: { "Last-Event-ID": "the cursor of the last server-sent event that was received" },
  answers: {
    200: { description: "one event a line", events: WatchEvent },
    400: { description: "no directory, a cursor that is none, or a network mount that nobody has allowed" },
    404: { description: "no such directory" },
  },
};

async function watch(c: EdgeContext, { feeds, entries, entryInit }: WatchRoutesDeps): Promise<Response> {
  const query = parseQuery(c, WatchQuery);
  const format = wantedFormat(c) === "sse" ? "sse" : "ndjson";
  const { path, recursive = false, allowNetworkMounts = false } = query;
  const { request: call } = c.var;
  const { signal, user } = call;
  const request = {
    path,
    isRecursive: recursive,
    allowsNetworkMounts: allowNetworkMounts,
    user: query.user ?? user,
  };
  using reader = await feeds.open(request, c.req.header("last-event-id") ?? query.cursor);
  const describe = query.entries
    ? async (changes: readonly Change[]): Promise<(EntryInit | undefined)[]> =>
        (await entries.read(reader.watcher, changes)).map((entry) => entry && entryInit(entry))
    : undefined;
  async function* frames(): AsyncGenerator<Buffer> {
    try {
      for await (const { events, cursor } of readEvents(reader, signal, describe)) {
        yield Buffer.concat(
          events.map((event) => encodeEvent(format, event, "cursor" in event ? event.cursor : undefined)),
        );
        reader.received(cursor);
      }
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      yield encodeEvent(format, failureEvent(call.fail(thrown)));
    }
  }
  await pump(frames(), c.env.outgoing, {
    headers: { ...streamHeaders(format), "Guestd-Watch-Mode": reader.watcher.mode },
    keepalive: { bytes: KEEPALIVES[format], everyMs: KEEPALIVE_MS },
  });
  return RESPONSE_ALREADY_SENT;
}

type Describe = (changes: readonly Change[]) => Promise<(EntryInit | undefined)[]>;

/** The lines of the feed, some at a time. */
async function* readEvents(
  reader: FeedReader,
  signal: AbortSignal,
  describe: Describe | undefined,
): AsyncGenerator<{ events: WatchEvent[]; cursor: number }> {
  const { watcher } = reader;
  const { mode, shownPath: path, id } = watcher;
  const { cursor: start } = reader;
  yield { events: [{ type: "ready", mode, path, watcher: id, cursor: reader.textOf(start) }], cursor: start };
  for await (const { items, cursor, cursorOf } of watcher.follow(start, signal)) {
    const described = describe ? await describe(items.filter(isChange)) : [];
    let change = 0;
    const events = items.map((item, index) => {
      const entry = isChange(item) ? described[change++] : undefined;
      return eventOf(item, reader.textOf(cursorOf(index)), entry);
    });
    yield { events, cursor };
  }
}

function failureEvent({ code, message, hint }: SandboxError): WatchEvent {
  return { type: "error", code, message, ...(hint && { hint }) };
}

function isChange(item: WatchItem): item is Change {
  return item.type !== "rescan" && item.type !== "gap";
}

function eventOf(item: WatchItem, cursor: string, entry: EntryInit | undefined): WatchEvent {
  if (item.type === "rescan") return { type: "rescan", cursor };
  if (item.type === "gap") return { ...item, name: shownName(item.name), cursor };
  return {
    type: item.type,
    name: shownName(item.name),
    ...(item.from !== undefined && { from: shownName(item.from) }),
    ...(entry && { entry: JSON.parse(entryJson(entry)) as Record<string, unknown> }),
    cursor,
  };
}
