import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { git } from "../helpers/git-server.ts";
import { type GitPlace, SECRET, setVariables, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

let place: GitPlace;
/** Where git tells what it starts. */
let trace = "";

beforeAll(async () => {
  place = await startGitPlace();
  const home = join(place.folder, "home");
  trace = join(home, "trace");
  mkdirSync(home);
  writeFileSync(join(home, ".gitconfig"), `[trace2]\n\tnormalTarget = ${trace}\n[gc]\n\tauto = 1\n`);
  execFileSync("chown", ["-R", "user", home]);
  await setVariables(place, { HOME: home });
});
afterAll(async () => place[Symbol.asyncDispose]());

/** Gits that others have started since the last time. */
function started(): string[] {
  const lines = readFileSync(trace, "utf8").split("\n");
  writeFileSync(trace, "");
  return lines.filter((line) => line.includes("child_start"));
}

test("automatic maintenance is off with credentials, and in the foreground without", async () => {
  const clone = await TestClone.open(place, "clone");
  await clone.done("fetch", { credentials: SECRET });
  const withCredentials = started();
  expect(withCredentials.some((line) => line.includes("remote-http"))).toBe(true);
  expect(withCredentials.filter((line) => /maintenance|gc/.test(line))).toEqual([]);

  await git(place.folder, "clone", "-q", "--bare", place.server.folder + "/app.git", "local.git");
  await clone.done("remotes", { name: "local", url: join(place.folder, "local.git") });
  await clone.done("config", { key: "safe.directory", value: "*", scope: "global" });
  await clone.done("fetch", { remote: "local", allowFile: true });
  const without = started();
  expect(without.some((line) => line.includes("maintenance run --auto"))).toBe(true);
  expect(without.filter((line) => /--detach/.test(line) && !/--no-detach/.test(line))).toEqual([]);
});
