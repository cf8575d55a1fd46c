import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ForkedDaemon, startForkedDaemon } from "../helpers/forked-daemon.ts";
import { Random, seedOfThisRun } from "../helpers/random.ts";
import { downloadSum, uploadPattern } from "../helpers/transfers.ts";
import { MIB, smallDisk } from "../unit/filesystem/bodies.ts";
import { isRoot } from "../unit/filesystem/server.ts";
import { until } from "../helpers/daemon.ts";

let daemon: ForkedDaemon;
let folder: string;

beforeAll(async () => {
  daemon = await startForkedDaemon();
  folder = await mkdtemp(join(tmpdir(), "guestd-large-"));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test("a large file goes up and down whole, and is not held in memory", async () => {
  const path = join(folder, "large");
  const bytes = 256 * MIB + 17;
  const before = (await daemon.memory()).rss;
  const sent = await uploadPattern(daemon.url, path, bytes);
  expect(await downloadSum(daemon.url, path)).toEqual(sent);
  // The strict bound is the soak test's; held in memory it would be more than the file.
  expect((await daemon.memory()).rss - before).toBeLessThan(128 * MIB);
  await rm(path);
});

test("an upload that is cut anywhere leaves the old content each time", async () => {
  const random = new Random(seedOfThisRun());
  const path = join(folder, "cut");
  await writeFile(path, "old");
  for (let round = 0; round < 20; round += 1) {
    // The first ones before anything of the body, and within what a socket takes at once.
    const cutAt = round < 3 ? round * 1000 : random.below(4 * MIB);
    const uploads = (await daemon.log()).counts["request"] ?? 0;
    await uploadPattern(daemon.url, path, 4 * MIB, { cutAt });
    // The daemon has noticed, and done whatever it does then.
    await until(async () => ((await daemon.log()).counts["request"] ?? 0) > uploads, 30_000);
    expect(await readFile(path, "utf8"), `seed ${random.seed}, cut at ${cutAt}`).toBe("old");
  }
  expect(await readdir(folder)).toEqual(["cut"]);
});

describe.runIf(isRoot)("a file system of 64 MB", () => {
  test("that is filled to the brim answers 507, and nothing is left", async (context) => {
    await using disk = await smallDisk("size=64m");
    if (!disk) return context.skip();
    const path = join(disk.path, "dir/file");
    expect(await uploadPattern(daemon.url, path, 80 * MIB)).toMatchObject({ status: 507 });
    expect(await readdir(disk.path)).toEqual([]);
    expect(await uploadPattern(daemon.url, path, 60 * MIB)).toMatchObject({ status: 200 });
    const sum = await downloadSum(daemon.url, path);
    for (const name of ["dir/file", "other"]) {
      expect(await uploadPattern(daemon.url, join(disk.path, name), 70 * MIB), name).toMatchObject({ status: 507 });
    }
    expect(await downloadSum(daemon.url, path)).toEqual(sum);
    expect(await readdir(disk.path)).toEqual(["dir"]);
  });
});
