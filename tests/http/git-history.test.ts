import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type GitPlace, startGitPlace } from "./git-place.ts";
import { AUTHOR, TestClone } from "./git-test-clone.ts";

let place: GitPlace;
let clone: TestClone;

beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => void (clone = await TestClone.openAnother(place)));

const names = ({ body }: Answer): string[] => (body["refs"] as { name: string }[]).map(({ name }) => name);

/** Settings of the clone. */
async function setConfig(settings: Record<string, string>): Promise<void> {
  await clone.shell(
    Object.entries(settings)
      .map(([key, value]) => `git config ${key} '${value}'`)
      .join(" && "),
  );
}

/** Signs everything and finds every signature good. */
const FAKE_GPG = `#!/bin/sh
case "$*" in
  *--verify*) echo "[GNUPG:] GOODSIG 0 Bob"; echo "gpg: Good signature from Bob" >&2 ;;
  *) cat >/dev/null; echo "[GNUPG:] SIG_CREATED " >&2; printf '%s\\n' '-----BEGIN PGP SIGNATURE-----' x '-----END PGP SIGNATURE-----' ;;
esac
`;

describe("diff and show", () => {
  test("tell files against the index, the index against the commit, and commits", async () => {
    await clone.write("count.txt", "4\n");
    await clone.write("a\tb\nc", "new\n");
    const changed = { path: "count.txt", added: 1, deleted: 1 };
    expect((await clone.look("diff")).body).toMatchObject({ files: [changed] });
    expect((await clone.look("diff", "&staged=1")).body).toEqual({ files: [], patch: "" });
    await clone.change("add", {});
    const both = [{ path: "a\tb\nc", added: 1, deleted: 0 }, changed];
    expect((await clone.look("diff", "&staged=1")).body).toMatchObject({ files: both });
    expect((await clone.look("diff", "&staged=1&file=count.txt")).body).toMatchObject({ files: [changed] });
    const between = await clone.look("diff", "&from=HEAD~2&to=HEAD");
    expect(between.body).toMatchObject({ files: [changed], patch: expect.stringContaining("\n-1\n+3\n") as string });
  });

  test("tell what was renamed and what is no text", async () => {
    await clone.write("binary", new Uint8Array([0, 1, 2, 255]));
    await clone.change("add", {});
    await clone.change("commit", { message: "binary", author: AUTHOR });
    await clone.change("checkout", { ref: "renamed", create: true });
    await place.daemon.fetch(`/v1/files${clone.path}/count.txt?user=user`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ op: "move", to: `${clone.path}/number.txt` }),
    });
    await clone.change("add", {});
    expect((await clone.look("diff", "&staged=1")).body["files"]).toEqual([
      { path: "number.txt", from: "count.txt", added: 0, deleted: 0 },
    ]);
    const shown = await clone.look("show", "&ref=renamed");
    expect(shown.body).toMatchObject({
      commit: { subject: "binary", author: AUTHOR },
      files: [{ path: "binary", added: null, deleted: null }],
    });
  });

  test("of an annotated tag tell all of its commit, and no tag", async () => {
    await clone.write("other", "new\n");
    await clone.change("add", {});
    await clone.change("commit", { message: "two files", author: AUTHOR });
    await setConfig({ "user.name": AUTHOR.name, "user.email": AUTHOR.email });
    await clone.change("tags", { name: "v2", message: "the second\n\n1\t1\tnone" });
    const { body } = await clone.look("show", "&ref=v2");
    expect(body).toMatchObject({ commit: { subject: "two files" }, files: [{ path: "other", added: 1, deleted: 0 }] });
    expect(body).toEqual((await clone.look("show")).body);
  });

  test("are the same whatever the user's settings show to people", async () => {
    await clone.write(".gitattributes", "*.txt diff=letters\n");
    await setConfig({
      "diff.letters.textconv": "tr 0-9 a-j",
      "gpg.program": `${clone.path}/.git/gpg`,
      "log.showSignature": "true",
    });
    await clone.write(".git/gpg", FAKE_GPG);
    const commit = `chmod +x .git/gpg && git -c user.name=Bob -c user.email=b@example.com commit -S --allow-empty -m signed`;
    expect(await clone.shell(commit)).toContain("signed");
    const expected = { subject: "signed", author: { name: "Bob" } };
    expect((await clone.look("log", "&limit=1")).body).toMatchObject({ commits: [expected] });
    expect((await clone.look("show")).body).toMatchObject({ commit: expected, files: [], patch: "" });
    expect((await clone.look("diff", "&from=HEAD~2&to=HEAD")).body["patch"]).toContain("\n-2\n+3\n");
  });

  test("are text for a person", async () => {
    await clone.write("count.txt", "4\n");
    expect(await clone.text("diff")).toContain("\n-3\n+4\n");
    expect(await clone.text("show")).toMatch(/^[\da-f]{10} .* Ada: commit 3 .*\n\ndiff --git /);
  });

  test("of what is not there fail", async () => {
    expect(await clone.look("show", "&ref=none")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await clone.look("diff", "&from=none")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await clone.look("show", "&ref=HEAD..HEAD")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await clone.look("show", "&ref=--output=x")).toMatchObject({ status: 400 });
  });
});

test("reset and restore put things back", async () => {
  const clean = async (): Promise<unknown> => (await clone.look("status")).body["clean"];
  await clone.write("count.txt", "4\n");
  await clone.change("add", {});
  await clone.change("restore", { files: ["count.txt"], staged: true });
  expect((await clone.look("status")).body["files"]).toMatchObject([{ path: "count.txt", index: ".", worktree: "M" }]);
  await clone.change("restore", { files: ["count.txt"] });
  expect(await clean()).toBe(true);
  await clone.change("restore", { files: ["count.txt"], source: "HEAD~2" });
  expect(await clone.read("count.txt")).toBe("1\n");
  expect(await clone.change("reset", { mode: "hard", ref: "HEAD~1" })).toMatchObject({
    status: 200,
    body: { behind: 1 },
  });
  expect(await clean()).toBe(true);
  expect(await clone.change("reset", { ref: "none" })).toMatchObject({ status: 404, body: { reason: "not_found" } });
  expect(await clone.change("restore", { files: ["none"] })).toMatchObject({
    status: 404,
    body: { reason: "not_found" },
  });
});

describe("branches and tags", () => {
  test("branches are listed, made and removed", async () => {
    expect(names(await clone.look("branches"))).toEqual(["main", "origin/main", "origin/side"]);
    expect((await clone.look("branches")).body["refs"]).toMatchObject([
      { name: "main", current: true, remote: false, upstream: "origin/main", subject: "commit 3" },
      { name: "origin/main", remote: true },
      { name: "origin/side", subject: "on the side" },
    ]);
    expect(names(await clone.change("branches", { name: "a/b", start: "origin/side" }))).toContain("a/b");
    expect(await clone.change("branches", { name: "a/b" })).toMatchObject({
      status: 409,
      body: { code: "already_exists" },
    });
    expect(await clone.remove("branches", "&name=a/b")).toMatchObject({ status: 200 });
    await clone.change("branches", { name: "other", start: "origin/side" });
    await clone.change("reset", { mode: "soft", ref: "HEAD~1" });
    expect(await clone.remove("branches", "&name=main")).toMatchObject({ status: 409 });
    expect(await clone.remove("branches", "&name=none")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await clone.change("branches", { name: "--list" })).toMatchObject({ status: 400 });
  });

  test("a branch that is not merged is removed only by force", async () => {
    await clone.change("checkout", { ref: "alone", create: true });
    await clone.change("commit", { message: "alone", allowEmpty: true, author: AUTHOR });
    await clone.change("checkout", { ref: "main" });
    expect(await clone.remove("branches", "&name=alone")).toMatchObject({ status: 409 });
    expect(names(await clone.remove("branches", "&name=alone&force=1"))).not.toContain("alone");
  });

  test("a plain tag is made where all are to be signed", async () => {
    await setConfig({ "tag.gpgSign": "true", "gpg.program": "false" });
    expect(names(await clone.change("tags", { name: "plain" }))).toEqual(["plain"]);
  });

  test("tags are listed, made and removed, with what they are of", async () => {
    const { commit } = (await clone.look("status")).body as { commit: string };
    await clone.change("tags", { name: "light" });
    await setConfig({ "user.name": AUTHOR.name, "user.email": AUTHOR.email });
    const made = await clone.change("tags", { name: "v1", message: "the first" });
    expect(made.body["refs"]).toMatchObject([
      { name: "light", commit },
      { name: "v1", commit, subject: "the first" },
    ]);
    expect(names(await clone.remove("tags", "&name=light"))).toEqual(["v1"]);
    expect(await clone.remove("tags", "&name=light")).toMatchObject({ status: 404, body: { reason: "not_found" } });
  });
});
