import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { skipTest } from "../helpers/skip.ts";
import { type GitPlace, SECRET, setVariables, startGitPlace } from "./git-place.ts";
import { AUTHOR, TestClone } from "./git-test-clone.ts";

const MISSING = {
  status: 409,
  body: { reason: "identity_missing", hint: expect.stringContaining("give author") as string },
};

/** Whether the machine's settings, which no test changes, say who commits. */
const hasName = spawnSync("git", ["config", "--system", "--get-regexp", "^user\\."]).status === 0;

let place: GitPlace;
let clones = 0;
let mine: TestClone;
let theirs: TestClone;

beforeAll(async () => {
  place = await startGitPlace();
  mkdirSync(join(place.folder, "home"));
  // Where no settings of the user's are, and names that can be made up.
  await setVariables(place, { HOME: join(place.folder, "home") });
});
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async (context) => {
  if (hasName) skipTest(context, "git's settings of this machine have a name and address already");
  clones += 1;
  mine = await TestClone.open(place, `mine-${clones}`);
  theirs = await TestClone.open(place, `theirs-${clones}`);
});

/** Both sides have a commit that the other lacks. */
async function diverge(): Promise<void> {
  await theirs.commit(`theirs-${clones}`, "theirs");
  await theirs.done("push", { credentials: SECRET });
  await mine.commit(`mine-${clones}`, "mine");
}

describe("without a name and an address", () => {
  test("nothing is committed or tagged, unless the call has an author, or the settings", async () => {
    await mine.write("file", "1\n");
    await mine.done("add");
    const refused = await mine.change("commit", { message: "x" });
    expect(refused).toMatchObject(MISSING);
    expect(refused.body["detail"]).toBe("git: it has no name and address of who commits");
    await mine.done("commit", { message: "x", author: AUTHOR });
    const tag = { name: `v${clones}`, message: "words" };
    expect(await mine.change("tags", tag)).toMatchObject(MISSING);
    await mine.done("tags", { ...tag, author: AUTHOR });
    expect(await mine.shell(`git for-each-ref --format='%(taggername) %(taggeremail)' refs/tags/v${clones}`)).toBe(
      "Bob <bob@example.com>\n",
    );
    await mine.done("config", { key: "user.name", value: "Eve" });
    expect(await mine.change("commit", { message: "y", allowEmpty: true })).toMatchObject(MISSING);
    await mine.done("config", { key: "user.email", value: "eve@example.com" });
    await mine.done("commit", { message: "y", allowEmpty: true });
    const { body } = await mine.look("log", "&limit=1");
    expect(body["commits"]).toMatchObject([{ author: { name: "Eve" }, committer: { email: "eve@example.com" } }]);
  });

  test("changes are stashed and brought back all the same", async () => {
    await mine.write("count.txt", "4\n");
    await mine.done("stash");
    expect(await mine.done("stash/pop")).toEqual({ stashes: [] });
  });

  test.each(["merge", "rebase"])("a pull fails that is to %s, and leaves all as it was", async (strategy) => {
    await diverge();
    const before = await mine.look("status");
    const pull = { strategy, credentials: SECRET };
    expect(await mine.change("pull", pull)).toMatchObject(MISSING);
    expect((await mine.look("status")).body).toEqual({ ...before.body, behind: 1 });
    const pulled = await mine.done("pull", { ...pull, author: { name: "Eve", email: "eve@example.com" } });
    expect(pulled).toMatchObject({ branch: "main", ahead: strategy === "merge" ? 2 : 1, behind: 0 });
    const { body } = await mine.look("log", "&limit=1");
    // Who has written it stays; a merge is written by who merges.
    expect(body["commits"]).toMatchObject([
      { author: { name: strategy === "merge" ? "Eve" : "Bob" }, committer: { name: "Eve", email: "eve@example.com" } },
    ]);
  });

  test("a pull needs none when there is nothing to be committed", async () => {
    await theirs.commit(`theirs-${clones}`, "theirs");
    await theirs.done("push", { credentials: SECRET });
    for (const strategy of ["rebase", "merge"]) await mine.done("pull", { strategy, credentials: SECRET });
  });
});
