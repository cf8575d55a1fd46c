import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { FileAccess } from "../../../src/host/file-access.ts";
import type { NetworkMounts } from "../../../src/host/mounts.ts";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { until } from "../../helpers/daemon.ts";
import { type TestReader, type TestWatching, testWatching } from "./watching.ts";

let watching: TestWatching;
afterEach(() => watching[Symbol.asyncDispose]());

/** Files as they are, but reading a directory whose path ends with `name` fails with `error`. */
function failingAt(name: string, error: Error): FileAccess {
  return {
    ...OWN_FILE_ACCESS,
    readEntries: async (path) => {
      if (Buffer.from(path).toString().endsWith(`/${name}`)) throw error;
      return OWN_FILE_ACCESS.readEntries(path);
    },
  };
}

/** What is mounted from elsewhere: directories of the test's own that pass for it. */
function mountsAt(paths: () => readonly string[]): NetworkMounts {
  return {
    has: async (path) => paths().includes(Buffer.from(path).toString()),
    points: async () => new Set(paths()),
  };
}

/** Makes files until one of them is told: polling begins with a look at what is there, and what is made until then belongs to it. */
async function seesWhatIsMade(reader: TestReader, folder: string, name: string): Promise<void> {
  let index = 0;
  await until(async () => {
    await writeFile(join(folder, `${(index += 1)}`), "");
    return (await reader.events()).some((text) => text.startsWith(`create ${name}`));
  }, 25_000);
}

test("a failure that no file system has told ends the watchers of that tree with it, and no other", async () => {
  watching = await testWatching({ access: failingAt("broken", new TypeError("a bug")) });
  const { root } = watching;
  await mkdir(join(root, "one"));
  await mkdir(join(root, "two"));
  const one = await watching.open(join(root, "one"), { isRecursive: true });
  const two = await watching.open(join(root, "two"), { isRecursive: true });
  const following = one.watcher.follow(0, AbortSignal.timeout(25_000));
  await mkdir(join(root, "one/broken"));
  expect((await following.next()).value?.items).toMatchObject([{ type: "create", name: "broken" }]);
  const failure = { code: "internal", message: "watcher error: a bug" };
  await expect(following.next()).rejects.toMatchObject(failure);
  expect(await one.events()).toEqual(["create broken"]);
  await expect(one.events()).rejects.toMatchObject(failure);
  await expect(one.events()).rejects.toMatchObject(failure);
  await writeFile(join(root, "two/x"), "");
  expect(await two.events()).toEqual(["create x"]);
  expect(watching.log).toContainEqual(expect.objectContaining({ event: "watch.ended", error: "a bug" }));
});

test("a directory that cannot be read for want of descriptors is told, and polled", async () => {
  const error = Object.assign(new Error("too many open files"), { code: "EMFILE", errno: -24 });
  watching = await testWatching({ access: failingAt("full", error) });
  const { root } = watching;
  const tree = await watching.open(root, { isRecursive: true });
  await mkdir(join(root, "full"));
  expect(await tree.events()).toEqual(["create full", "gap full budget polling"]);
  await seesWhatIsMade(tree, join(root, "full"), "full/");
});

test("a network mount is watched by polling where that is allowed, and says so", async () => {
  let root = "";
  watching = await testWatching({ mounts: mountsAt(() => [root]) });
  ({ root } = watching);
  await expect(watching.open(root)).rejects.toMatchObject({
    code: "invalid_argument",
    message: `cannot watch path on network filesystem: ${root}`,
  });
  await writeFile(join(root, "old"), "old");
  const polled = await watching.open(root, { allowsNetworkMounts: true });
  expect(polled.watcher.mode).toBe("polling");
  expect(watching.log).toContainEqual(expect.objectContaining({ event: "watch.polling", reason: "network" }));
  await seesWhatIsMade(polled, root, "");
  await rename(join(root, "old"), join(root, "new"));
  const seen: string[] = [];
  await until(async () => {
    seen.push(...(await polled.events()));
    return seen.includes("create new") && seen.includes("remove old");
  }, 25_000);
});

test.each([
  { allowsNetworkMounts: false, mode: "none" },
  { allowsNetworkMounts: true, mode: "polling" },
])("a network mount in a tree is told as $mode where allowed is $allowsNetworkMounts", async ({ mode, ...options }) => {
  let root = "";
  watching = await testWatching({ mounts: mountsAt(() => [join(root, "far")]) });
  ({ root } = watching);
  await mkdir(join(root, "far/below"), { recursive: true });
  const tree = await watching.open(root, { isRecursive: true, ...options });
  await writeFile(join(root, "near"), "");
  expect(await tree.events()).toEqual([`gap far network ${mode}`, "create near"]);
  if (mode === "polling") await seesWhatIsMade(tree, join(root, "far/below"), "far/below/");
});
