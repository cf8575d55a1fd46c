import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type GitPlace, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

let place: GitPlace;
let clones = 0;
let clone: TestClone;

beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => {
  clones += 1;
  clone = await TestClone.open(place, `clone-${clones}`);
});

test("a file is meant by its very name in every call", async () => {
  for (const name of ["[ab].txt", "a.txt", "*"]) await clone.commit(name, "1\n");
  for (const name of ["[ab].txt", "a.txt", "*"]) await clone.write(name, "2\n");
  expect((await clone.look("diff", `&file=${encodeURIComponent("[ab].txt")}`)).body["files"]).toHaveLength(1);
  expect((await clone.look("log", "&file=*")).body["commits"]).toHaveLength(1);
  await clone.done("add", { files: ["[ab].txt"] });
  expect(await clone.changed()).toEqual([".M *", "M. [ab].txt", ".M a.txt"]);
  await clone.done("restore", { files: ["*"] });
  expect(await clone.changed()).toEqual(["M. [ab].txt", ".M a.txt"]);
});

test("a text with a NUL is refused, since no program can be given it", async () => {
  for (const [what, body] of [
    ["commit", { message: "a\0b" }],
    ["add", { files: ["a\0b"] }],
    ["checkout", { ref: "a\0b" }],
    ["add", { path: "/tmp/a\0b" }],
  ] as const) {
    expect(await clone.change(what, body)).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
  }
});
