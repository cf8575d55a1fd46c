import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { git, type GitServer, seedRepository, startGitServer } from "../helpers/git-server.ts";
import { formsOf, watchProcesses } from "../helpers/secret-search.ts";
import { ask, findSecret, type GitPlace, SECRET, startGitPlace } from "./git-place.ts";

let place: GitPlace;
/** Another host, which takes the same name and password: it must not be told them. */
let other: GitServer;
let repositories = 0;

beforeAll(async () => {
  place = await startGitPlace();
  other = await startGitServer(SECRET);
  await seedRepository(join(other.folder, "seed"), join(other.folder, "theirs.git"));
  await git(place.server.folder, "clone", "-q", "--bare", "app.git", "lib.git");
});
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});
afterEach(() => void (other.isPublic = false));

/** A repository with these submodules; its name at the server. */
async function publish(submodules: Readonly<Record<string, string>>): Promise<string> {
  repositories += 1;
  const [name, folder] = [`super-${repositories}.git`, join(place.server.folder, `seed-${repositories}`)];
  mkdirSync(folder);
  await git(folder, "init", "-q", "-b", "main");
  const commit = await git(place.server.folder, "-C", "app.git", "rev-parse", "main");
  const theirs = await git(other.folder, "-C", "theirs.git", "rev-parse", "main");
  const sections = Object.entries(submodules).map(
    ([path, url]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`,
  );
  writeFileSync(join(folder, ".gitmodules"), sections.join(""));
  await git(folder, "add", ".");
  for (const [path, url] of Object.entries(submodules)) {
    const link = `160000,${url.includes("theirs") ? theirs : commit},${path}`;
    await git(folder, "update-index", "--add", "--cacheinfo", link);
  }
  await git(folder, "commit", "-qm", "with submodules");
  await git(place.server.folder, "clone", "-q", "--bare", folder, name);
  return name;
}

const at = (name: string): string => join(place.folder, name);
const clone = (name: string, path: string, more: object = {}) =>
  ask(place, "clone", {
    url: place.url(name),
    path: at(path),
    user: "user",
    credentials: SECRET,
    recurse: true,
    ...more,
  });

describe("submodules", () => {
  test("of the same server are cloned with the credentials of the call, and fetched with those of the next", async () => {
    const name = await publish({ relative: "../lib.git", absolute: place.url("lib.git") });
    const { hits, result } = await watchProcesses(formsOf(SECRET), clone(name, "same"));
    expect([hits, result]).toMatchObject([[], { value: { status: 200 } }]);
    for (const path of ["relative", "absolute"]) {
      expect(readFileSync(at(`same/${path}/count.txt`), "utf8")).toBe("3\n");
    }
    const fetching = ask(place, "fetch", { path: at("same/relative"), user: "user", credentials: SECRET });
    expect(await fetching).toMatchObject({ status: 200 });
    expect(findSecret(place)).toEqual([]);
  });

  test("are left out unless they are asked for", async () => {
    const name = await publish({ lib: "../lib.git" });
    expect(await clone(name, "without", { recurse: false })).toMatchObject({ status: 200 });
    expect(existsSync(at("without/lib/count.txt"))).toBe(false);
  });

  test("of another host are cloned without credentials where everybody may read", async () => {
    other.isPublic = true;
    const theirs = `${other.url.replace("127.0.0.1", "localhost")}/theirs.git`;
    const name = await publish({ lib: "../lib.git", theirs, "same-host": `${other.url}/theirs.git` });
    expect(await clone(name, "public")).toMatchObject({ status: 200 });
    expect(readFileSync(at("public/theirs/count.txt"), "utf8")).toBe("3\n");
    expect(readFileSync(at("public/same-host/count.txt"), "utf8")).toBe("3\n");
    expect([other.authorizations, findSecret(place)]).toEqual([[], []]);
  });

  test.each([
    ["another host", "localhost"],
    ["another port", "127.0.0.1"],
  ])("of %s that asks for credentials gets none, and nothing is left", async (_what, host) => {
    const theirs = `${other.url.replace("127.0.0.1", host)}/theirs.git`;
    const name = await publish({ lib: "../lib.git", theirs });
    expect(await clone(name, "private")).toMatchObject({ status: 403, body: { reason: "auth_failed" } });
    expect([other.authorizations, existsSync(at("private")), findSecret(place)]).toEqual([[], false, []]);
  });

  test("that are a directory of this machine, or a remote helper, are not cloned", async () => {
    expect(await clone("app.git", "own")).toMatchObject({ status: 200 });
    for (const url of [at("own"), `file://${at("own")}`, "ext::sh -c id"]) {
      const name = await publish({ lib: url });
      const { status } = await clone(name, "local");
      expect([url, status, existsSync(at("local"))]).toEqual([url, 403, false]);
    }
    const name = await publish({ lib: at("own") });
    expect(await clone(name, "local", { allowFile: true })).toMatchObject({ status: 200 });
  });
});
