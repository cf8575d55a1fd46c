import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type GitPlace, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

let place: GitPlace;
let clone: TestClone;

beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => void (clone = await TestClone.openAnother(place)));

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

test("a text that is too long for an argument of a program is refused, many of them too", async () => {
  for (const [what, body] of [
    ["commit", { message: "x".repeat(200_000) }],
    ["stash", { message: "x".repeat(131_062) }],
    ["config", { key: "user.name", value: "é".repeat(100_000) }],
    ["add", { files: Array.from({ length: 100_000 }, (_none, index) => `${index}`.padStart(100, "x")) }],
  ] as const) {
    const answer = await clone.change(what, body);
    expect(answer, what).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
    expect(answer.body["hint"], what).toContain("POST /v1/run");
  }
});
