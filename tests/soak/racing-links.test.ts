import { test } from "vitest";
import { LINK_RACES } from "../helpers/link-races.ts";
import { raceAsUser } from "../helpers/user-races.ts";
import { isRoot, testFiles } from "../unit/filesystem/server.ts";
import { userFiles } from "../unit/filesystem/user-files.ts";

test.each(LINK_RACES)("10 000 links that come and go in a tree get $name", async ({ run }) => {
  await using files = await testFiles();
  await run(files, { swaps: 10_000, rounds: 5000 });
});

test.runIf(isRoot)("10 000 links that come and go get nothing of what is not the user's", async () => {
  await using files = await userFiles();
  await raceAsUser(files, { user: "ann" }, { swaps: 10_000, rounds: 500 });
});
