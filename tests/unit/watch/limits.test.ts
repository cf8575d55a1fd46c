import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { until } from "../../helpers/daemon.ts";
import { FollowedSet, inotifyInstances, type TestWatching, testWatching } from "./watching.ts";

/** 2 560 files in 64 new directories in 8 new directories. */
const NESTED_FILES = `
for a in 1 2 3 4 5 6 7 8; do for b in 1 2 3 4 5 6 7 8; do
  mkdir -p "$1/$a/$b"
  for c in 1 2 3 4 5 6 7 8; do for d in 1 2 3 4 5; do : > "$1/$a/$b/$c$d"; done; done
done; done`;

let watching: TestWatching;
afterEach(() => watching[Symbol.asyncDispose]());

/** Reads until `isEnough`; all texts so far. */
async function readUntil(
  { events }: { events: () => Promise<string[]> },
  isEnough: (seen: string[]) => boolean,
): Promise<string[]> {
  const seen: string[] = [];
  await until(async () => {
    seen.push(...(await events()));
    return isEnough(seen);
  }, 25_000);
  return seen;
}

test("changes that the kernel could not keep are told as lost, and the set of names comes out right", async () => {
  watching = await testWatching();
  const { root } = watching;
  const { watcher } = await watching.open(root, { isRecursive: true });
  mkdirSync(join(root, "before"));
  const set = new FollowedSet();
  let cursor = 0;
  let rescans = 0;
  const read = async (): Promise<void> => {
    for await (const batch of watcher.read(cursor)) {
      for (const item of batch.items) set.take(item);
      rescans += batch.items.filter(({ type }) => type === "rescan").length;
      ({ cursor } = batch);
    }
  };
  await read();
  // One turn of the event loop: two records a file, more than the kernel's queue of 16 384 holds.
  for (let index = 0; index < 9000; index += 1) writeFileSync(join(root, `before/f${index}`), "x");
  for (let index = 0; index < 9000; index += 2) rmSync(join(root, `before/f${index}`));
  mkdirSync(join(root, "unseen/deep"), { recursive: true });
  writeFileSync(join(root, "unseen/deep/file"), "");
  await read();
  await writeFile(join(root, "unseen/deep/later"), "");
  await read();
  expect(rescans).toBeGreaterThan(0);
  expect(set.names).toEqual((await readdir(root, { recursive: true })).toSorted());
  await watcher[Symbol.asyncDispose]();
  expect(await inotifyInstances()).toEqual([0]);
});

test("what another program makes in nested new directories is told, while it does and however fast", async () => {
  watching = await testWatching();
  const { root } = watching;
  const { watcher } = await watching.open(root, { isRecursive: true });
  const writer = spawn("sh", ["-c", NESTED_FILES, "sh", root], { stdio: "ignore" });
  const ended = once(writer, "exit");
  const set = new FollowedSet();
  let cursor = 0;
  for (let isOver = false; !isOver;) {
    isOver = await Promise.race([
      ended.then(() => true),
      watcher.queue.wait(cursor, AbortSignal.timeout(25_000)).then(() => false),
    ]);
    for await (const batch of watcher.read(cursor)) {
      for (const item of batch.items) set.take(item);
      ({ cursor } = batch);
    }
  }
  const found = (await readdir(root, { recursive: true })).toSorted();
  expect(found).toHaveLength(8 + 64 + 64 * 40);
  expect(set.names).toEqual(found);
});

test("a tree that has more directories than may be watched is polled in part, and says so", async () => {
  watching = await testWatching({ maxWatches: 2 });
  const { root } = watching;
  await mkdir(join(root, "a/b/c"), { recursive: true });
  const tree = await watching.open(root, { isRecursive: true });
  expect(tree.watcher.mode).toBe("inotify");
  expect(await inotifyInstances()).toEqual([2]);
  expect(await tree.events()).toEqual(["gap a/b budget polling"]);
  await writeFile(join(root, "a/seen"), "");
  expect(await tree.events()).toEqual(["create a/seen"]);
  expect(watching.log).toContainEqual(expect.objectContaining({ event: "watch.gap", reason: "budget" }));
  // Polling begins with a look at what is there: what is made until then belongs to it.
  let index = 0;
  await readUntil(tree, (seen) => {
    mkdirSync(join(root, `a/b/c/${(index += 1)}`));
    return seen.some((text) => /^create a\/b\/c\/\d+$/.test(text));
  });
});

test("a directory beyond the watches whose name is not UTF-8 is not polled, and that is told", async () => {
  watching = await testWatching({ maxWatches: 1 });
  const { root } = watching;
  await mkdir(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.of(0xff)]));
  const { events } = await watching.open(root, { isRecursive: true });
  expect(await events()).toEqual(["gap bad-\uFFFD budget none"]);
});

test("a directory that the kernel cannot watch any more is polled, with the events of any other", async () => {
  watching = await testWatching({ maxWatches: 1 });
  const { root } = watching;
  await mkdir(join(root, "one"));
  await mkdir(join(root, "two"));
  await writeFile(join(root, "two/old"), "old");
  await watching.open(join(root, "one"));
  const polled = await watching.open(join(root, "two"));
  expect(polled.watcher.mode).toBe("polling");
  await writeFile(join(root, "two/new"), "");
  await readUntil(polled, (seen) => seen.includes("create new"));
  await writeFile(join(root, "two/old"), "changed");
  await readUntil(polled, (seen) => seen.includes("write old"));
  await rm(join(root, "two/old"));
  await readUntil(polled, (seen) => seen.includes("remove old"));
});

test("a watcher that is closed while its tree is scanned leaves no watch behind", async () => {
  watching = await testWatching();
  const { root } = watching;
  for (let index = 0; index < 200; index += 1) mkdirSync(join(root, `d${index}/sub`), { recursive: true });
  const other = await watching.open(join(root, "d0"));
  const opening = watching.open(root, { isRecursive: true });
  await watching.watchers[Symbol.asyncDispose]();
  await Promise.allSettled([opening]);
  expect(await inotifyInstances()).toEqual([]);
  expect(await other.events()).toEqual([]);
});

test("a directory that comes and goes faster than it can be scanned does no harm", async () => {
  watching = await testWatching();
  const { root } = watching;
  const tree = await watching.open(root, { isRecursive: true });
  for (let round = 0; round < 200; round += 1) {
    await mkdir(join(root, "d/e"), { recursive: true });
    await rm(join(root, "d"), { recursive: true });
  }
  await mkdir(join(root, "d/e"), { recursive: true });
  const seen = await tree.events();
  expect(seen.at(-1)).toMatch(/^create d(\/e)?$/);
  expect(await inotifyInstances()).toEqual([3]);
});
