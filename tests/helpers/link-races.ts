import { lstatSync, statSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { isRoot, type TestFiles } from "../unit/filesystem/server.ts";
import { startLinkSwapper } from "./link-swapper.ts";

const ME = { user: undefined };
const OTHER = { user: isRoot ? "nobody" : undefined };
const SECRET = "for the owner's eyes only";

export interface Scene {
  /** What the caller means to change. */
  tree: string;
  /** What nothing may happen to. */
  secret: string;
}

/** At least so many links put in place, and so many calls made meanwhile. */
export interface RaceLength {
  swaps: number;
  rounds: number;
}

export async function scene(files: TestFiles): Promise<Scene> {
  const [tree, secret] = [join(files.root, "tree"), join(files.root, "secret")];
  await mkdir(tree);
  await writeFile(secret, SECRET, { mode: 0o600 });
  return { tree, secret };
}

export async function expectUntouched({ secret }: Scene): Promise<void> {
  expect(await readFile(secret, "utf8")).toBe(SECRET);
  expect(statSync(secret)).toMatchObject({ mode: 0o100600, uid: process.geteuid?.(), nlink: 1 });
}

/** Calls `work` over and over while `path` becomes a link to the secret and a file again. What it rejects with does not count: things vanish. */
async function race(
  path: string,
  it: Scene,
  { swaps, rounds }: RaceLength,
  work: () => Promise<unknown>,
): Promise<void> {
  await using swapper = await startLinkSwapper(path, it.secret);
  for (let round = 0; round < rounds || (await swapper.swaps()) < swaps; round += 1) {
    await work().catch(() => undefined);
  }
  await expectUntouched(it);
}

/** What a link that somebody swaps in and out inside a tree must never get. */
export const LINK_RACES: readonly { name: string; run: (files: TestFiles, length: RaceLength) => Promise<void> }[] = [
  {
    name: "no mode changed",
    async run(files, length) {
      const it = await scene(files);
      const options = { mode: 0o777, isRecursive: true };
      await race(join(it.tree, "x"), it, length, () => files.changes.changeMode(it.tree, options, ME));
      expect(statSync(it.tree).mode & 0o777).toBe(0o777);
    },
  },
  {
    name: "no owner changed",
    async run(files, length) {
      const it = await scene(files);
      const owner = { owner: isRoot ? "nobody" : files.users.self().name, group: undefined, isRecursive: true };
      await race(join(it.tree, "x"), it, length, () => files.changes.changeOwner(it.tree, owner, ME));
      if (isRoot) expect(statSync(it.tree).uid).toBe(65_534);
    },
  },
  {
    name: "nothing copied from behind it",
    async run(files, length) {
      const it = await scene(files);
      const to = join(files.root, "copy");
      const copied = new Set<string>();
      await race(join(it.tree, "x"), it, length, async () => {
        await files.changes.copy(it.tree, to, { mayReplace: false }, OTHER).catch(() => undefined);
        for (const text of await contentsOf(to)) copied.add(text);
        await rm(to, { recursive: true, force: true });
      });
      expect(copied).toContain("innocent");
      expect(copied).not.toContain(SECRET);
    },
  },
  {
    name: "nothing removed behind it",
    async run(files, length) {
      const it = await scene(files);
      const inner = join(it.tree, "inner");
      await race(join(inner, "x"), it, length, async () => {
        await mkdir(inner, { recursive: true });
        await files.changes.remove(inner, { isRecursive: true, expect: undefined }, ME);
      });
    },
  },
  {
    name: "nothing given away for a new link of its name",
    async run(files, length) {
      const it = await scene(files);
      const path = join(it.tree, "x");
      const link = { target: "elsewhere", mayReplace: true };
      await race(path, it, length, () => files.changes.link(path, link, OTHER));
    },
  },
];

/** What is in the regular files of a directory; nothing of one that is not there. */
async function contentsOf(directory: string): Promise<string[]> {
  try {
    const paths = (await readdir(directory)).map((name) => join(directory, name));
    return await Promise.all(paths.filter((path) => lstatSync(path).isFile()).map((path) => readFile(path, "utf8")));
  } catch {
    return [];
  }
}
