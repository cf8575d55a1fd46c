import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { WatchEvent } from "../../src/contracts/watch.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { type Feed, followFeed } from "./feed-client.ts";

let daemon: TestDaemon;
let root = "";
beforeAll(async () => {
  daemon = await startTestDaemon({ argv: ["--kept-watch-events", "100"] });
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "guestd-feed-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Follows `root`. */
function follow(query = "", headers: Record<string, string> = {}): Promise<Feed> {
  return followFeed(`${daemon.url}/v1/watch?path=${encodeURIComponent(root)}${query}`, headers);
}

const isNamed =
  (name: string) =>
  (event: WatchEvent): boolean =>
    "name" in event && event.name === name;
const cursorOf = (event: WatchEvent | undefined): string => (event && "cursor" in event ? event.cursor : "");
const summary = (events: readonly WatchEvent[]): string[] =>
  events.map((event) => `${event.type}${"name" in event ? ` ${event.name}` : ""}`);

test("the feed begins with how it watches, and tells changes a line each", async () => {
  using feed = await follow("&recursive=1");
  expect(feed.response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(await feed.next()).toMatchObject({ type: "ready", mode: "inotify", path: root });
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "a/x"), "1");
  await feed.until(isNamed("a/x"));
  await rename(join(root, "a"), join(root, "b"));
  const seen = await feed.until(isNamed("b"));
  expect(seen.at(-1)).toMatchObject({ type: "create", name: "b", from: "a" });
});

test("entries are told where they are asked for", async () => {
  using feed = await follow("&entries=1");
  await feed.next();
  writeFileSync(join(root, "x"), "12345");
  expect(await feed.next()).toMatchObject({
    type: "create",
    name: "x",
    entry: { name: "x", path: join(root, "x"), size: "5", type: "FILE_TYPE_FILE" },
  });
});

test("server-sent events go on where the client was cut off", async () => {
  const sse = { Accept: "text/event-stream" };
  let last = "";
  {
    using feed = await follow("", sse);
    expect(feed.response.headers.get("content-type")).toBe("text/event-stream");
    await feed.next();
    await writeFile(join(root, "one"), "");
    await writeFile(join(root, "two"), "");
    const seen = await feed.until(isNamed("two"));
    last = cursorOf(seen.find(isNamed("one")));
  }
  await writeFile(join(root, "three"), "");
  using again = await follow("", { ...sse, "Last-Event-ID": last });
  const seen = await again.until(isNamed("three"));
  expect(summary(seen)).toEqual(["ready", "create two", "create three"]);
});

test("a reader that was away for too much is told to look at everything again", async () => {
  let last = "";
  {
    using feed = await follow();
    last = cursorOf(await feed.next());
  }
  for (let index = 0; index < 200; index += 1) writeFileSync(join(root, `f${index}`), "");
  using again = await follow(`&cursor=${last}`);
  await again.next();
  // Before that there may be a few that were not lost yet.
  await again.until(({ type }) => type === "rescan");
  const names = new Set<string>();
  while (names.size < 200) {
    const event = await again.next();
    if ("name" in event) names.add(event.name);
  }
  expect(names).toContain("f0");
});

test("a cursor of a feed that is gone begins with a rescan; one that is none is refused", async () => {
  await writeFile(join(root, "there"), "");
  using feed = await follow(`&cursor=w${"a".repeat(20)}-7`);
  expect(summary([await feed.next(), await feed.next(), await feed.next()])).toEqual([
    "ready",
    "rescan",
    "create there",
  ]);
  const refused = await daemon.fetch(`/v1/watch?path=${root}&cursor=nonsense`);
  expect([refused.status, refused.headers.get("content-type")]).toEqual([400, "application/problem+json"]);
  expect(await refused.json()).toMatchObject({ code: "invalid_argument" });
  const missing = await daemon.fetch("/v1/watch?path=/no/such");
  expect([missing.status, ((await missing.json()) as { code: string }).code]).toEqual([404, "not_found"]);
});
