import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type GitPlace, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

let place: GitPlace;
let clone: TestClone;

beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => void (clone = await TestClone.openAnother(place)));

describe("a stash", () => {
  test("is made, listed, shown, and brought back, with its message as it is", async () => {
    expect((await clone.look("stash")).body).toEqual({ stashes: [] });
    await clone.write("count.txt", "4\n");
    const { stashes } = await clone.done("stash", { message: "-m words\nNo local changes to save" });
    const expected = { index: 0, message: expect.stringContaining("On main: -m words") as string };
    expect(stashes).toMatchObject([{ ...expected, commit: expect.stringMatching(/^[\da-f]{40}$/) as string }]);
    expect(await clone.changed()).toEqual([]);
    expect((await clone.look("stash")).body).toEqual({ stashes });
    expect(await clone.text("stash")).toMatch(/^stash@\{0\}: On main: -m words/);
    expect((await clone.look("stash/show")).body).toEqual({
      files: [{ path: "count.txt", added: 1, deleted: 1 }],
      patch: expect.stringContaining("\n-3\n+4\n") as string,
    });
    expect(await clone.text("stash/show", "&index=0")).toMatch(/^diff --git /);
    expect(await clone.done("stash/apply")).toEqual({ stashes });
    expect(await clone.changed()).toEqual([".M count.txt"]);
    await clone.done("restore", { files: ["count.txt"] });
    expect(await clone.done("stash/pop")).toEqual({ stashes: [] });
    expect(await clone.read("count.txt")).toBe("4\n");
  });

  test("takes new files when asked for, and only the files that are named, by their very names", async () => {
    for (const name of ["[ab].txt", "a.txt", "-u", ":(top)x"]) await clone.write(name, "new\n");
    await clone.write("count.txt", "4\n");
    await clone.done("stash", { untracked: true, files: ["[ab].txt", "-u", ":(top)x"], message: "some" });
    expect(await clone.changed()).toEqual([".M count.txt", "?? a.txt"]);
    expect((await clone.look("stash/show")).body["files"]).toMatchObject([
      { path: "-u" },
      { path: ":(top)x" },
      { path: "[ab].txt" },
    ]);
    await clone.done("stash", { message: "the rest" });
    expect(await clone.changed()).toEqual(["?? a.txt"]);
    const { body } = await clone.look("stash");
    expect(body["stashes"]).toMatchObject([
      { index: 0, message: "On main: the rest" },
      { index: 1, message: "On main: some" },
    ]);
    expect((await clone.remove("stash", "&index=0")).body["stashes"]).toMatchObject([{ message: "On main: some" }]);
  });

  test("has what was in the index, which goes there again when asked for", async () => {
    await clone.write("new", "new\n");
    await clone.done("add");
    await clone.write("count.txt", "4\n");
    await clone.done("stash");
    await clone.done("stash/pop", { staged: true });
    expect(await clone.changed()).toEqual([".M count.txt", "A. new"].toSorted());
  });

  test("whose message is git's word for none is made all the same", async () => {
    for (const message of ["No local changes to save", "x\nNo local changes to save"]) {
      await clone.write("count.txt", `${message}\n`);
      const { stashes } = await clone.done("stash", { message });
      expect(stashes).toMatchObject([{ message: expect.stringContaining("No local changes") as string }]);
      await clone.done("stash/pop");
      await clone.done("restore", { files: ["count.txt"] });
    }
  });

  test("is shown with its new files in full, and without those that it has not", async () => {
    await clone.write("new.txt", "new\n");
    await clone.write("count.txt", "4\n");
    await clone.done("stash", { untracked: true });
    const { files, patch } = (await clone.look("stash/show")).body;
    expect(files).toEqual([
      { path: "count.txt", added: 1, deleted: 1 },
      { path: "new.txt", added: 1, deleted: 0 },
    ]);
    expect(patch).toMatch(/^diff --git a\/count\.txt .*diff --git a\/new\.txt .*\+new\n$/s);
  });

  test("that cannot be brought back stays, with the conflict to be resolved", async () => {
    await clone.write("count.txt", "mine\n");
    await clone.done("stash");
    await clone.write("count.txt", "unsaved\n");
    expect(await clone.change("stash/pop", {})).toMatchObject({ status: 409, body: { reason: "dirty" } });
    await clone.commit("count.txt", "theirs\n");
    expect(await clone.change("stash/pop", {})).toMatchObject({ status: 409, body: { reason: "conflict" } });
    expect(await clone.changed()).toEqual(["UU count.txt"]);
    expect((await clone.look("stash")).body["stashes"]).toHaveLength(1);
  });

  test("of new files does not replace those that are there again", async () => {
    await clone.write("new", "mine\n");
    await clone.done("stash", { untracked: true });
    await clone.write("new", "theirs\n");
    expect(await clone.change("stash/pop", {})).toMatchObject({ status: 409, body: { reason: "dirty" } });
    expect(await clone.read("new")).toBe("theirs\n");
  });

  test("needs something to put aside, and a number that there is", async () => {
    expect(await clone.change("stash", {})).toMatchObject({ status: 409, body: { reason: "nothing_to_commit" } });
    const missing = { status: 404, body: { reason: "not_found" } };
    expect(await clone.change("stash/apply", {})).toMatchObject(missing);
    await clone.write("count.txt", "4\n");
    expect(await clone.change("stash", { files: ["none"] })).toMatchObject(missing);
    await clone.done("stash");
    expect(await clone.change("stash/pop", { index: 1 })).toMatchObject(missing);
    expect(await clone.remove("stash", "&index=7")).toMatchObject(missing);
    for (const index of [1, 7]) expect(await clone.look("stash/show", `&index=${index}`)).toMatchObject(missing);
    expect(await clone.remove("stash", "")).toMatchObject({ status: 400 });
    for (const index of [-1, 1e21, 200_000_000]) {
      expect(await clone.change("stash/apply", { index })).toMatchObject({ status: 400 });
    }
    expect(await clone.remove("stash", "&index=200000000")).toMatchObject({ status: 400 });
    expect(await clone.change("stash", { path: "/tmp" })).toMatchObject({
      status: 409,
      body: { reason: "not_a_repository" },
    });
  });
});
