import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, ask, type GitPlace, SECRET, startGitPlace } from "./git-place.ts";

const AUTHOR = { name: "Bob", email: "bob@example.com" };

let place: GitPlace;
let clones = 0;
/** A clone of `app.git`, of the account `user`. */
let path = "";

beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => {
  clones += 1;
  path = join(place.folder, `clone-${clones}`);
  expect(await change("clone", { url: place.url(), credentials: SECRET })).toMatchObject({ status: 200 });
});

const change = (what: string, body: object): Promise<Answer> => ask(place, what, { path, user: "user", ...body });
const look = (what: string, more = ""): Promise<Answer> => ask(place, `${what}?path=${path}&user=user${more}`);
const remove = (what: string, more: string): Promise<Answer> =>
  ask(place, `${what}?path=${path}&user=user${more}`, undefined, { method: "DELETE" });

const names = ({ body }: Answer): string[] => (body["refs"] as { name: string }[]).map(({ name }) => name);

async function write(name: string, bytes: string | Uint8Array<ArrayBuffer>): Promise<void> {
  const url = `/v1/files${path}/${encodeURIComponent(name)}?user=user`;
  expect((await place.daemon.fetch(url, { method: "PUT", body: bytes })).ok).toBe(true);
}

/** Settings of the clone. */
async function setConfig(settings: Record<string, string>): Promise<void> {
  const script = Object.entries(settings)
    .map(([key, value]) => `git -C ${path} config ${key} '${value}'`)
    .join(" && ");
  expect((await place.daemon.fetch("/v1/run?user=user", { method: "POST", body: script })).ok).toBe(true);
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
    await write("count.txt", "4\n");
    await write("a\tb\nc", "new\n");
    const changed = { path: "count.txt", added: 1, deleted: 1 };
    expect((await look("diff")).body).toMatchObject({ files: [changed] });
    expect((await look("diff", "&staged=1")).body).toEqual({ files: [], patch: "" });
    await change("add", {});
    const both = [{ path: "a\tb\nc", added: 1, deleted: 0 }, changed];
    expect((await look("diff", "&staged=1")).body).toMatchObject({ files: both });
    expect((await look("diff", "&staged=1&file=count.txt")).body).toMatchObject({ files: [changed] });
    const between = await look("diff", "&from=HEAD~2&to=HEAD");
    expect(between.body).toMatchObject({ files: [changed], patch: expect.stringContaining("\n-1\n+3\n") as string });
  });

  test("tell what was renamed and what is no text", async () => {
    await write("binary", new Uint8Array([0, 1, 2, 255]));
    await change("add", {});
    await change("commit", { message: "binary", author: AUTHOR });
    await change("checkout", { ref: "renamed", create: true });
    await place.daemon.fetch(`/v1/files${path}/count.txt?user=user`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ op: "move", to: `${path}/number.txt` }),
    });
    await change("add", {});
    expect((await look("diff", "&staged=1")).body["files"]).toEqual([
      { path: "number.txt", from: "count.txt", added: 0, deleted: 0 },
    ]);
    const shown = await look("show", "&ref=renamed");
    expect(shown.body).toMatchObject({
      commit: { subject: "binary", author: AUTHOR },
      files: [{ path: "binary", added: null, deleted: null }],
    });
  });

  test("of an annotated tag tell all of its commit, and no tag", async () => {
    await write("other", "new\n");
    await change("add", {});
    await change("commit", { message: "two files", author: AUTHOR });
    await setConfig({ "user.name": AUTHOR.name, "user.email": AUTHOR.email });
    await change("tags", { name: "v2", message: "the second\n\n1\t1\tnone" });
    const { body } = await look("show", "&ref=v2");
    expect(body).toMatchObject({ commit: { subject: "two files" }, files: [{ path: "other", added: 1, deleted: 0 }] });
    expect(body).toEqual((await look("show")).body);
  });

  test("are the same whatever the user's settings show to people", async () => {
    await write(".gitattributes", "*.txt diff=letters\n");
    await setConfig({
      "diff.letters.textconv": "tr 0-9 a-j",
      "gpg.program": `${path}/.git/gpg`,
      "log.showSignature": "true",
    });
    await write(".git/gpg", FAKE_GPG);
    const commit = `chmod +x .git/gpg && git -c user.name=Bob -c user.email=b@example.com commit -S --allow-empty -m signed`;
    const run = await place.daemon.fetch(`/v1/run?user=user&cwd=${path}`, { method: "POST", body: commit });
    expect(await run.text()).toContain("signed");
    const expected = { subject: "signed", author: { name: "Bob" } };
    expect((await look("log", "&limit=1")).body).toMatchObject({ commits: [expected] });
    expect((await look("show")).body).toMatchObject({ commit: expected, files: [], patch: "" });
    expect((await look("diff", "&from=HEAD~2&to=HEAD")).body["patch"]).toContain("\n-2\n+3\n");
  });

  test("are text for a person", async () => {
    await write("count.txt", "4\n");
    const init = { headers: { Accept: "text/plain" } };
    const diff = await place.daemon.fetch(`/v1/git/diff?path=${path}&user=user`, init);
    expect(await diff.text()).toContain("\n-3\n+4\n");
    const shown = await place.daemon.fetch(`/v1/git/show?path=${path}&user=user`, init);
    expect(await shown.text()).toMatch(/^[\da-f]{10} .* Ada: commit 3 .*\n\ndiff --git /);
  });

  test("of what is not there fail", async () => {
    expect(await look("show", "&ref=none")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await look("diff", "&from=none")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await look("show", "&ref=HEAD..HEAD")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await look("show", "&ref=--output=x")).toMatchObject({ status: 400 });
  });
});

test("reset and restore put things back", async () => {
  const clean = async (): Promise<unknown> => (await look("status")).body["clean"];
  await write("count.txt", "4\n");
  await change("add", {});
  await change("restore", { files: ["count.txt"], staged: true });
  expect((await look("status")).body["files"]).toMatchObject([{ path: "count.txt", index: ".", worktree: "M" }]);
  await change("restore", { files: ["count.txt"] });
  expect(await clean()).toBe(true);
  await change("restore", { files: ["count.txt"], source: "HEAD~2" });
  expect(await (await place.daemon.fetch(`/v1/files${path}/count.txt?user=user`)).text()).toBe("1\n");
  expect(await change("reset", { mode: "hard", ref: "HEAD~1" })).toMatchObject({ status: 200, body: { behind: 1 } });
  expect(await clean()).toBe(true);
  expect(await change("reset", { ref: "none" })).toMatchObject({ status: 404, body: { reason: "not_found" } });
  expect(await change("restore", { files: ["none"] })).toMatchObject({ status: 404, body: { reason: "not_found" } });
});

describe("branches and tags", () => {
  test("branches are listed, made and removed", async () => {
    expect(names(await look("branches"))).toEqual(["main", "origin/main", "origin/side"]);
    expect((await look("branches")).body["refs"]).toMatchObject([
      { name: "main", current: true, remote: false, upstream: "origin/main", subject: "commit 3" },
      { name: "origin/main", remote: true },
      { name: "origin/side", subject: "on the side" },
    ]);
    expect(names(await change("branches", { name: "a/b", start: "origin/side" }))).toContain("a/b");
    expect(await change("branches", { name: "a/b" })).toMatchObject({ status: 409, body: { code: "already_exists" } });
    expect(await remove("branches", "&name=a/b")).toMatchObject({ status: 200 });
    await change("branches", { name: "other", start: "origin/side" });
    await change("reset", { mode: "soft", ref: "HEAD~1" });
    expect(await remove("branches", "&name=main")).toMatchObject({ status: 409 });
    expect(await remove("branches", "&name=none")).toMatchObject({ status: 404, body: { reason: "not_found" } });
    expect(await change("branches", { name: "--list" })).toMatchObject({ status: 400 });
  });

  test("a branch that is not merged is removed only by force", async () => {
    await change("checkout", { ref: "alone", create: true });
    await change("commit", { message: "alone", allowEmpty: true, author: AUTHOR });
    await change("checkout", { ref: "main" });
    expect(await remove("branches", "&name=alone")).toMatchObject({ status: 409 });
    expect(names(await remove("branches", "&name=alone&force=1"))).not.toContain("alone");
  });

  test("tags are listed, made and removed, with what they are of", async () => {
    const { commit } = (await look("status")).body as { commit: string };
    await change("tags", { name: "light" });
    await setConfig({ "user.name": AUTHOR.name, "user.email": AUTHOR.email });
    const made = await change("tags", { name: "v1", message: "the first" });
    expect(made.body["refs"]).toMatchObject([
      { name: "light", commit },
      { name: "v1", commit, subject: "the first" },
    ]);
    expect(names(await remove("tags", "&name=light"))).toEqual(["v1"]);
    expect(await remove("tags", "&name=light")).toMatchObject({ status: 404, body: { reason: "not_found" } });
  });
});
