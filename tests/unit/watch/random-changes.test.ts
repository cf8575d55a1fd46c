import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Random } from "../../helpers/random.ts";
import { swap } from "./swap.ts";
import { FollowedSet, inotifyInstances, testWatching } from "./watching.ts";

const CHANGES = 400;
const NAMES = ["a", "b", "c", "d"];

/** Does something to a random place of the tree; what cannot be done there is left alone. */
function change(random: Random, root: string, outside: string): void {
  const folders = [
    "",
    ...readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
  ];
  const place = (): string => join(root, random.pick(folders), random.pick(NAMES));
  const actions: (() => void)[] = [
    () => mkdirSync(join(place(), random.pick(NAMES)), { recursive: true }),
    () => mkdirSync(place()),
    () => writeFileSync(place(), "x"),
    () => renameSync(place(), place()),
    () => renameSync(place(), place()),
    () => renameSync(place(), join(outside, random.pick(NAMES))),
    () => renameSync(join(outside, random.pick(NAMES)), place()),
    () => rmSync(place(), { recursive: true }),
    () => swap(place(), place()),
    () => swap(place(), place()),
    () => swap(join(outside, random.pick(NAMES)), place()),
  ];
  try {
    random.pick(actions)();
  } catch {
    // nothing there, or something in the way: another change takes its place
  }
}

test.each([1, 2, 4, 5, 22, 23, 29, 121])(
  "after any changes the set of names comes out as it is, and so do the watches (seed %i)",
  async (seed) => {
    await using watching = await testWatching();
    const [root, outside] = [join(watching.root, "tree"), join(watching.root, "outside")];
    await mkdir(root);
    await mkdir(outside);
    const random = new Random(seed);
    const { watcher } = await watching.open(root, { isRecursive: true });
    const set = new FollowedSet();
    let cursor = 0;
    const read = async (): Promise<void> => {
      for await (const batch of watcher.read(cursor)) {
        for (const item of batch.items) set.take(item);
        ({ cursor } = batch);
      }
    };
    for (let index = 0; index < CHANGES; index += 1) {
      change(random, root, outside);
      // Some changes come at once, some while a scan is under way, some when all is quiet.
      if (random.chance(0.3)) await nextTurn();
      if (random.chance(0.1)) await read();
    }
    await read();
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    expect(set.names).toEqual(
      entries.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)).toSorted(),
    );
    const folders = entries.filter((entry) => entry.isDirectory()).length;
    // What was moved out is let go of when it has not turned up for a moment.
    await expect.poll(() => inotifyInstances(), { timeout: 20_000 }).toEqual([1 + folders]);
  },
);
