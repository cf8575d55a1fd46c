import type { EntryInit } from "../contracts/entry-list.ts";
import { EventType } from "../contracts/filesystem-enums.ts";
import { Filesystem as FilesystemService, type WatchDirRequest } from "../contracts/gen/filesystem_pb.js";
import { encodeWatchMessage, type EventInit, WatcherEventsEncoder } from "../contracts/watch-events.ts";
import type { Call } from "../edge/connect/call.ts";
import { frame } from "../edge/connect/envelope.ts";
import { lateMethods } from "../edge/connect/methods.ts";
import { serverStreamRoute } from "../edge/connect/stream.ts";
import { unaryRoute } from "../edge/connect/unary.ts";
import type { Route } from "../edge/route.ts";
import type { ChangeEntries } from "./change-entries.ts";
import type { Pollers } from "./pollers.ts";
import { type Change, type ChangeType, type Entry, shownName, type WatchItem, type WatchRequest } from "./types.ts";
import type { Watcher } from "./watcher.ts";
import type { Watchers } from "./watchers.ts";

/** Says how changes are noticed: `inotify` or `polling`. */
const MODE_HEADER = "Guestd-Watch-Mode";
/** Clients of old Python SDKs know no entries in events. */
const LEGACY_USER_AGENT = "connect-python";

const KEEPALIVE = { message: { event: { case: "keepalive" as const, value: {} } } };

const TYPES: Readonly<Record<ChangeType, EventType>> = {
  create: EventType.CREATE,
  write: EventType.WRITE,
  remove: EventType.REMOVE,
  rename: EventType.RENAME,
  chmod: EventType.CHMOD,
};

/** What the routes are made of. */
export interface WatchRpcDeps {
  watchers: Watchers;
  pollers: Pollers;
  entries: ChangeEntries;
  /** An entry on the wire. */
  entryInit: (entry: Entry) => EntryInit;
}

/** The routes of `filesystem.Filesystem` that are about watching. */
export function watchRpcRoutes(deps: WatchRpcDeps): Route[] {
  const { watchers, pollers } = deps;
  const method = lateMethods("filesystem.Filesystem", () => FilesystemService.method);
  /** Which of the pollers' watchers tell entries: what was asked for at their creation. */
  const withEntries = new WeakSet<Watcher>();
  return [
    serverStreamRoute(method.watchDir, (request, call) => watchDir(deps, request, call), { keepalive: KEEPALIVE }),
    unaryRoute(method.createWatcher, async (request, call) => {
      const watcherId = await pollers.add(() => watchers.open(requestOf(request, call)));
      const watcher = pollers.get(watcherId);
      if (request.includeEntry) withEntries.add(watcher);
      call.bindings.outgoing.setHeader(MODE_HEADER, watcher.mode);
      return { watcherId };
    }),
    unaryRoute(method.getWatcherEvents, async ({ watcherId }, call) => {
      const watcher = pollers.get(watcherId);
      const encoder = new WatcherEventsEncoder(call.codec);
      const includesEntry = withEntries.has(watcher) && !isLegacy(call);
      for await (const items of pollers.take(watcherId, call.signal)) {
        if (items.some(({ type }) => type === "rescan")) encoder.markRescan();
        encoder.add(await eventsOf(deps, watcher, items, includesEntry));
      }
      return encoder.finish();
    }),
    unaryRoute(method.removeWatcher, async ({ watcherId }) => {
      await pollers.remove(watcherId);
      return {};
    }),
  ];
}

async function* watchDir(deps: WatchRpcDeps, request: WatchDirRequest, call: Call): AsyncGenerator<StreamMessage> {
  await using watcher = await deps.watchers.open(requestOf(request, call));
  call.bindings.outgoing.setHeader(MODE_HEADER, watcher.mode);
  const includesEntry = request.includeEntry && !isLegacy(call);
  yield { event: { case: "start", value: {} } };
  for await (const { items, cursor } of watcher.follow(0, call.signal)) {
    const messages: (EventInit | "rescan")[] = items.some(({ type }) => type === "rescan") ? ["rescan"] : [];
    messages.push(...(await eventsOf(deps, watcher, items, includesEntry)));
    const frames = messages.map((message) => frame(0, encodeWatchMessage(message, call.codec)));
    if (frames.length > 0) yield Buffer.concat(frames);
    watcher.queue.forgetBefore(cursor);
  }
}

type StreamMessage = { event: { case: "start"; value: Record<string, never> } } | Buffer;

interface Wanted {
  path: string;
  recursive: boolean;
  allowNetworkMounts: boolean;
}

function requestOf({ path, recursive, allowNetworkMounts }: Wanted, call: Call): WatchRequest {
  return { path, isRecursive: recursive, allowsNetworkMounts: allowNetworkMounts, user: call.user };
}

function isLegacy({ bindings: { incoming, outgoing } }: Call): boolean {
  if (incoming.headers["user-agent"] !== LEGACY_USER_AGENT) return false;
  outgoing.setHeader("X-E2B-Legacy-SDK", "true");
  return true;
}

/** The changes among `items` as the contract has them. */
async function eventsOf(
  { entries, entryInit }: WatchRpcDeps,
  watcher: Watcher,
  items: readonly WatchItem[],
  includesEntry: boolean,
): Promise<EventInit[]> {
  const changes = items.filter((item): item is Change => item.type !== "rescan" && item.type !== "gap");
  const found = includesEntry ? await entries.read(watcher, changes) : [];
  return changes.map(({ type, name }, index) => {
    const entry = found[index];
    return { name: shownName(name), type: TYPES[type], ...(entry && { entry: entryInit(entry) }) };
  });
}
