import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { formsOf, watchProcesses } from "../helpers/secret-search.ts";
import { findSecret, type GitPlace, SECRET, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

let place: GitPlace;
let clone: TestClone;

beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => void (clone = await TestClone.openAnother(place)));

const settings = (): string => readFileSync(join(clone.path, ".git/config"), "utf8");
const withSecret = (url: string): string =>
  url.replace("//", `//${SECRET.username}:${encodeURIComponent(SECRET.password)}@`);

describe("remotes", () => {
  test("are listed, added, changed and removed", async () => {
    const origin = { name: "origin", url: place.url(), pushUrls: [place.url()] };
    expect((await clone.look("remotes")).body).toEqual({ remotes: [origin] });
    const fork = { name: "fork", url: "https://example.com/fork.git", pushUrls: ["ssh://git@example.com/fork.git"] };
    expect(await clone.done("remotes", { name: "fork", url: fork.url, pushUrl: fork.pushUrls[0] })).toEqual({
      remotes: [origin, fork],
    });
    expect(await clone.text("remotes")).toBe(
      [
        `origin\t${place.url()} (fetch)`,
        `origin\t${place.url()} (push)`,
        "fork\thttps://example.com/fork.git (fetch)",
        "fork\tssh://git@example.com/fork.git (push)\n",
      ].join("\n"),
    );
    const changed = { name: "mine", url: "git@example.com:mine.git", pushUrls: ["/srv/mine.git"] };
    const change = { name: "fork", newName: "mine", url: changed.url, pushUrl: changed.pushUrls[0] };
    expect(await clone.patch("remotes", change)).toMatchObject({ status: 200, body: { remotes: [origin, changed] } });
    expect((await clone.remove("remotes", "&name=origin")).body).toEqual({ remotes: [changed] });
    expect((await clone.look("branches")).body["refs"]).toMatchObject([{ name: "main", upstream: null }]);
  });

  test("that have several addresses to push to get one, and are changed in full or not at all", async () => {
    const pushUrls = ["https://a.example/x", "https://b.example/x"];
    await clone.done("remotes", { name: "other", url: pushUrls[0] });
    for (const url of pushUrls) await clone.shell(`git remote set-url --add --push origin ${url}`);
    const { body } = await clone.look("remotes");
    const change = { name: "origin", url: "https://c.example/x", pushUrl: "https://d.example/x" };
    for (const newName of ["other", "a b", "x.lock"]) {
      const { status } = await clone.patch("remotes", { ...change, newName });
      expect([400, 409], newName).toContain(status);
      expect((await clone.look("remotes")).body).toEqual(body);
    }
    expect(await clone.patch("remotes", { ...change, newName: "mine" })).toMatchObject({
      status: 200,
      body: { remotes: [{ name: "mine", url: change.url, pushUrls: [change.pushUrl] }, { name: "other" }] },
    });
  });

  test("are not added with half of their addresses", async () => {
    const { body } = await clone.look("remotes");
    // As long as no argument of a program may be.
    const pushUrl = `https://example.com/${"x".repeat(200_000)}`;
    const answer = await clone.change("remotes", { name: "half", url: "https://example.com/x", pushUrl });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
    expect((await clone.look("remotes")).body).toEqual(body);
  });

  test("are fetched from and pushed to by their names", async () => {
    await clone.done("remotes", { name: "second", url: place.url() });
    await clone.done("fetch", { remote: "second", credentials: SECRET });
    await clone.done("checkout", { ref: "topic-of-second", create: true, start: "second/side" });
    await clone.done("push", { remote: "second", credentials: SECRET });
    expect(findSecret(place)).toEqual([]);
  });

  test("have no credentials, which are nowhere when they come in an address", async () => {
    const url = withSecret(place.url());
    const adding = watchProcesses(formsOf(SECRET), clone.done("remotes", { name: "a", url, pushUrl: url }));
    const clean = { name: "a", url: place.url(), pushUrls: [place.url()] };
    expect(await adding).toMatchObject({ hits: [], result: { value: { remotes: [{ name: "origin" }, clean] } } });
    const changing = watchProcesses(formsOf(SECRET), clone.patch("remotes", { name: "a", url, pushUrl: url }));
    expect(await changing).toMatchObject({
      hits: [],
      result: { value: { status: 200, body: { remotes: [{ name: "origin" }, clean] } } },
    });
    expect([findSecret(place), settings().includes("@")]).toEqual([[], false]);
    const refused = await clone.change("remotes", { name: "b", url: "ssh://ada:secret-word@example.com/x" });
    expect([refused.status, JSON.stringify(refused.body).includes("secret-word")]).toEqual([400, false]);
  });

  test("are shown without the credentials that somebody has left in an address", async () => {
    const addresses = [
      ["https://ada:s3cret@example.com/x", "https://***@example.com/x"],
      ["https://s3cret-token@example.com/x", "https://***@example.com/x"],
      ["https://ada:s3@cret@example.com/x@y", "https://***@example.com/x@y"],
      ["ssh://ada:s3cret@example.com/x", "ssh://***@example.com/x"],
      ["ssh://git@example.com/x", "ssh://git@example.com/x"],
      ["git@example.com:x", "git@example.com:x"],
    ] as const;
    for (const [kept, shown] of addresses) {
      await clone.shell(`git remote set-url origin '${kept}' && git remote set-url --push origin '${kept}'`);
      const { body } = await clone.look("remotes");
      expect(body).toEqual({ remotes: [{ name: "origin", url: shown, pushUrls: [shown] }] });
      const text =
        (await clone.text("remotes")) + (await clone.text("config")) + JSON.stringify(await clone.look("config"));
      expect([text.includes(shown), /s3|cret/.test(text)]).toEqual([true, false]);
    }
  });

  test("that are not there, are there already, or cannot be, are refused", async () => {
    const url = "https://example.com/x";
    expect(await clone.change("remotes", { name: "origin", url })).toMatchObject({
      status: 409,
      body: { code: "already_exists" },
    });
    const missing = { status: 404, body: { reason: "not_found" } };
    expect(await clone.patch("remotes", { name: "none", url })).toMatchObject(missing);
    expect(await clone.patch("remotes", { name: "none", newName: "other", url })).toMatchObject(missing);
    expect(await clone.remove("remotes", "&name=none")).toMatchObject(missing);
    expect(await clone.change("remotes", { path: "/tmp", name: "x", url })).toMatchObject({
      status: 409,
      body: { reason: "not_a_repository" },
    });
    const { body } = await clone.look("remotes");
    for (const bad of [
      { name: "--mirror=fetch", url },
      { name: "x", url: "--upload-pack=id" },
      { name: "x", url: "ext::sh -c id" },
      { name: "x", url: "ftp://example.com/x" },
      { name: "x", url: "https://good.example\\@evil.example/x" },
      { name: "x", url: "https://example.com/\nx" },
      { name: "a b", url },
      { name: "", url },
      { name: "x" },
    ]) {
      const { status } = await clone.change("remotes", bad);
      expect([400, 409], JSON.stringify(bad)).toContain(status);
    }
    expect(await clone.patch("remotes", { name: "origin" })).toMatchObject({ status: 400 });
    expect(await clone.patch("remotes", { name: "origin", newName: "-x" })).toMatchObject({ status: 400 });
    expect((await clone.look("remotes")).body).toEqual(body);
  });
});
