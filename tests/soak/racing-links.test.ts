import { test } from "vitest";
import { LINK_RACES } from "../helpers/link-races.ts";
import { testFiles } from "../unit/filesystem/server.ts";

test.each(LINK_RACES)("10 000 links that come and go in a tree get $name", async ({ run }) => {
  await using files = await testFiles();
  await run(files, { swaps: 10_000, rounds: 5000 });
});
