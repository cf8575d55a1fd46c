import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startForkedDaemon } from "../helpers/forked-daemon.ts";
import { killMidWrite } from "../helpers/kill-mid-write.ts";
import { NativeFiles } from "../helpers/native-files.ts";
import { Random, seedOfThisRun } from "../helpers/random.ts";
import { readersDuringRewrites } from "../helpers/torn-reads.ts";

test("1 000 readers during rewrites never see a torn file", async () => {
  await using daemon = await startForkedDaemon();
  const client = new NativeFiles(() => daemon.url);
  const folder = await mkdtemp(join(tmpdir(), "guestd-torn-"));
  const path = join(folder, "a");
  const result = await readersDuringRewrites(client, path, { readers: 1000, writers: 100, reads: 10_000 });
  console.log(`${result.reads} reads during ${result.rewrites} rewrites`);
  expect(result).toMatchObject({ torn: 0, reads: 10_000 });
  expect(result.rewrites).toBeGreaterThan(100);
  await rm(folder, { recursive: true });
});

test("a daemon that is killed 40 times amid writes leaves of each file the old content or the new", async () => {
  const random = new Random(seedOfThisRun());
  console.log(`GUESTD_SEED=${random.seed}`);
  const folder = await mkdtemp(join(tmpdir(), "guestd-killed-"));
  try {
    for (let round = 0; round < 40; round += 1) await killMidWrite(folder, random);
    expect.hasAssertions();
  } finally {
    await rm(folder, { recursive: true });
  }
});
