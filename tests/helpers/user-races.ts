import { statSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { textBody } from "../unit/filesystem/bodies.ts";
import type { UserFiles } from "../unit/filesystem/user-files.ts";
import type { RaceLength } from "./link-races.ts";
import { startLinkSwapper } from "./link-swapper.ts";

const SECRET = "for root's eyes only";

/**
 * Every file operation on and below a name that becomes a link to what belongs to root, and a file again, all the time: nothing behind
 * the link is read or changed. Nothing but `files.root` is touched; all of it is root's but open to the caller.
 */
export async function raceAsUser(files: UserFiles, caller: { user: string }, length: RaceLength): Promise<void> {
  const tree = join(files.root, "tree");
  await mkdir(tree);
  await chmod(tree, 0o777);
  const closed = join(files.root, "closed");
  await mkdir(closed, { mode: 0o700 });
  const secret = join(closed, "secret");
  await writeFile(secret, SECRET, { mode: 0o600 });
  const before = statSync(secret).ctimeMs;
  for (const [name, target] of [
    ["to-file", secret],
    ["to-directory", closed],
  ] as const) {
    const path = join(tree, name);
    await using swapper = await startLinkSwapper(path, target);
    for (let round = 0; round < length.rounds || (await swapper.swaps()) < length.swaps; round += 1) {
      await operateOn(files, path, caller);
    }
  }
  expect(await readFile(secret, "utf8")).toBe(SECRET);
  expect(statSync(secret)).toMatchObject({ mode: 0o100600, uid: 0, nlink: 1, ctimeMs: before });
  expect((await readdir(closed)).filter((name) => name !== "spare")).toEqual(["secret"]);
  expect(statSync(closed)).toMatchObject({ mode: 0o40700, uid: 0 });
}

/** What is refused does not count: things vanish, and most of it is forbidden. */
async function operateOn(files: UserFiles, path: string, caller: { user: string }): Promise<void> {
  const save = (to: string): Promise<unknown> =>
    files.uploads.save({ path: to, body: textBody("of the user"), metadata: {}, declaredBytes: undefined }, caller);
  const read = async (from: string): Promise<void> => {
    await using file = await files.downloads.open(from, caller);
    expect(file.head.toString()).not.toContain(SECRET);
  };
  const list = async (of: string): Promise<void> => {
    const entries = await files.filesystem.list(of, 2, caller);
    expect(entries.filter(({ owner, sizeBytes }) => owner === "root" && sizeBytes === SECRET.length)).toEqual([]);
  };
  const tries: (() => Promise<unknown>)[] = [
    ...[path, join(path, "secret")].flatMap((at) => [
      () => save(at),
      () => read(at),
      () => files.filesystem.makeDir(join(at, "made"), caller),
      () => files.filesystem.move(at, `${path}-moved`, caller),
      () => files.filesystem.move(`${path}-moved`, at, caller),
      () => files.filesystem.remove(at, caller),
    ]),
    () => list(path),
  ];
  for (const attempt of tries) {
    await attempt().catch((error: unknown) => {
      if (error instanceof Error && error.name === "AssertionError") throw error;
    });
  }
}
