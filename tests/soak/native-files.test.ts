import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { killMidWrite } from "../helpers/kill-mid-write.ts";
import { NativeFiles } from "../helpers/native-files.ts";
import { Random, seedOfThisRun } from "../helpers/random.ts";
import { readersDuringRewrites } from "../helpers/torn-reads.ts";
import { testServer } from "../unit/filesystem/server.ts";

test("1 000 readers during rewrites never see a torn file", async () => {
  await using server = await testServer();
  const client = new NativeFiles(() => server.url);
  const path = join(server.files.root, "a");
  const result = await readersDuringRewrites(client, path, { readers: 1000, reads: 10_000 });
  console.log(`${result.reads} reads during ${result.rewrites} rewrites`);
  expect(result.torn).toBe(0);
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
