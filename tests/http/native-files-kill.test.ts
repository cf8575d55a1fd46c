import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFailed, test } from "vitest";
import { killMidWrite } from "../helpers/kill-mid-write.ts";
import { Random, seedOfThisRun } from "../helpers/random.ts";

test("a daemon that is killed amid writes leaves of each file the old content or the new", async () => {
  const random = new Random(seedOfThisRun());
  onTestFailed(() => console.log(`GUESTD_SEED=${random.seed}`));
  const folder = await mkdtemp(join(tmpdir(), "guestd-killed-"));
  try {
    for (let round = 0; round < 2; round += 1) await killMidWrite(folder, random);
    expect.hasAssertions();
  } finally {
    await rm(folder, { recursive: true });
  }
});
