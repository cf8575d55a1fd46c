import { chmodSync, mkdirSync, openSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request, type RequestOptions } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { check, bind, type IntCall } from "../../src/host/libc-binding.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { followFeed, readEvents } from "./feed-client.ts";
import { callRpc, pollEvents, readMessages, watchDir, watchRequest } from "./watch-client.ts";

const KEPT_EVENTS = 1000;
/** More than the buffers between the daemon and a client that does not read. */
const STALLING_BYTES = 20_000_000;

let daemon: TestDaemon;
let url = "";
let root = "";
beforeAll(async () => {
  daemon = await startTestDaemon({ argv: ["--kept-watch-events", String(KEPT_EVENTS)] });
  ({ url } = daemon);
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "guestd-watch-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const dup2 = bind<IntCall<[number, number]>>("int dup2(int from, int to)");

/** Takes this process's inotify instances away: every call on them fails from now on. */
function breakInotify(): void {
  const nothing = openSync("/dev/null", "r");
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== "anon_inode:inotify") continue;
    } catch {
      continue; // the descriptor of the listing itself
    }
    check(dup2(nothing, Number(fd)), "dup2");
  }
}

test("when changes cannot be told any more everybody who waits for them learns it, and may watch anew", async () => {
  const { body: poller } = await callRpc(url, "CreateWatcher", { path: root });
  using stream = await watchDir(url, { path: root });
  expect(await stream.next()).toEqual({ start: {} });
  using feed = await followFeed(`${url}/v1/watch?path=${root}`);
  const ready = await feed.next();
  await writeFile(join(root, "seen"), "");
  expect(await feed.next()).toMatchObject({ type: "create", name: "seen" });

  breakInotify();
  const message = "watcher error: inappropriate ioctl for device";
  // What was noticed before is told first.
  expect((await callRpc(url, "GetWatcherEvents", poller)).body["events"]).toHaveLength(1);
  for (let times = 0; times < 2; times += 1) {
    expect(await callRpc(url, "GetWatcherEvents", poller)).toMatchObject({
      status: 500,
      body: { code: "internal", message },
    });
  }
  expect(await stream.next()).toMatchObject({ filesystem: { name: "seen" } });
  expect(await stream.next()).toMatchObject({ error: { code: "internal", message } });
  expect(await stream.next()).toBeUndefined();
  expect(await feed.next()).toMatchObject({ type: "error", code: "internal", message });
  await expect(feed.next()).rejects.toThrow("the feed has ended");
  expect(daemon.log.filter(({ event }) => event === "watch.failed")).toHaveLength(1);

  using again = await followFeed(`${url}/v1/watch?path=${root}&cursor=${"cursor" in ready ? ready.cursor : ""}`);
  expect([await again.next(), await again.next(), await again.next()]).toMatchObject([
    { type: "ready", mode: "inotify" },
    { type: "rescan" },
    { type: "create", name: "seen" },
  ]);
  const { body: next } = await callRpc(url, "CreateWatcher", { path: root });
  await writeFile(join(root, "later"), "");
  expect(await pollEvents(url, next["watcherId"])).toEqual(["CREATE later"]);
  expect(await again.next()).toMatchObject({ type: "create", name: "later" });
  await callRpc(url, "RemoveWatcher", poller);
});

interface Stalling {
  name: string;
  begin: () => Promise<IncomingMessage>;
  /** `rescan` and names, in their order. */
  read: (incoming: IncomingMessage) => AsyncIterable<string>;
}

const STALLING: Stalling[] = [
  {
    name: "WatchDir",
    begin: () => {
      const { path, headers, body } = watchRequest({ path: root, includeEntry: true });
      return begin(path, { method: "POST", headers }, body);
    },
    read: async function* read(incoming) {
      for await (const { rescan, filesystem } of readMessages(incoming)) {
        if (rescan) yield "rescan";
        if (filesystem) yield filesystem.name;
      }
    },
  },
  {
    name: "/v1/watch",
    begin: () => begin(`/v1/watch?path=${root}&entries=1`),
    read: async function* read(incoming) {
      for await (const event of readEvents(incoming, false)) yield "name" in event ? event.name : event.type;
    },
  },
];

test.each(STALLING)(
  "a reader of $name that stalls holds up nobody, and is told what it has missed",
  async ({ begin: open, read }) => {
    const names = ["a", "b"].map((letter) => letter.repeat(255));
    for (const name of names) writeFileSync(join(root, name), "");
    const { body: healthy } = await callRpc(url, "CreateWatcher", { path: root });
    const incoming = await open();
    incoming.pause();
    // Each in turn: the kernel joins changes only if they are the same. The other reader misses none of them.
    const changes = KEPT_EVENTS / 2;
    for (let bytes = 0; bytes < STALLING_BYTES; bytes += changes * (root.length + 2 * 255)) {
      for (let index = 0; index < changes; index += 1) chmodSync(join(root, names[index % 2] ?? ""), 0o644);
      const { body } = await callRpc(url, "GetWatcherEvents", healthy);
      expect([(body["events"] as object[]).length, body["rescan"]]).toEqual([changes, undefined]);
    }
    mkdirSync(join(root, "last"));
    let hasRescan = false;
    for await (const text of read(incoming)) {
      if (text === "rescan") hasRescan = true;
      if (text === "last") break;
    }
    expect(hasRescan).toBe(true);
    incoming.destroy();
    await callRpc(url, "RemoveWatcher", healthy);
  },
);

/** The answer to a request, of which nothing is read yet. */
async function begin(path: string, options: RequestOptions = {}, body?: Uint8Array): Promise<IncomingMessage> {
  const outgoing = request(url + path, { ...options, agent: false });
  outgoing.end(body);
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  return incoming.on("error", () => undefined);
}
