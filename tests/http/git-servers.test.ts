import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { formsOf, watchProcesses } from "../helpers/secret-search.ts";
import { until } from "../helpers/daemon.ts";
import { git, startGitServer } from "../helpers/git-server.ts";
import { type Answer, ask, findSecret, type GitPlace, SECRET, startGitPlace } from "./git-place.ts";

const AUTHOR = { name: "Bob", email: "bob@example.com" };

let place: GitPlace;
let clones = 0;
/** Two clones of `app.git`, of the account `user`. */
let mine = "";
let theirs = "";

beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => {
  clones += 1;
  [mine, theirs] = [join(place.folder, `mine-${clones}`), join(place.folder, `theirs-${clones}`)];
  for (const path of [mine, theirs]) {
    await done("clone", { url: place.url(), path, credentials: SECRET });
  }
});

const call = (what: string, body: object): Promise<Answer> => ask(place, what, { user: "user", ...body });

async function done(what: string, body: object): Promise<Record<string, unknown>> {
  const answer = await call(what, body);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body;
}

/** Writes a file as its owner, so that git finds its own there. */
function write(path: string, name: string, text: string): void {
  const { uid, gid } = statSync("/home/user");
  execFileSync("/bin/sh", ["-c", 'cat >"$1"', "sh", join(path, name)], { input: text, uid, gid });
}

async function commit(path: string, name: string, text: string): Promise<void> {
  write(path, name, text);
  await done("add", { path });
  await done("commit", { path, message: `${name} is ${text}`, author: AUTHOR });
}

/** A copy of `app.git` at the server. */
async function openFork(): Promise<string> {
  const name = `fork-${clones}.git`;
  await git(place.server.folder, "clone", "-q", "--bare", "app.git", name);
  return place.url(name);
}

async function addRemote(path: string, name: string, url: string): Promise<void> {
  const config = ["config", "--file", join(path, ".git/config")];
  await git(place.folder, ...config, `remote.${name}.url`, url);
  await git(place.folder, ...config, `remote.${name}.fetch`, `+refs/heads/*:refs/remotes/${name}/*`);
}

const statusOf = async (path: string): Promise<object> => (await ask(place, `status?path=${path}&user=user`)).body;
const isRebasing = (): boolean => existsSync(join(mine, ".git/rebase-merge"));
const rebasingPull = (): object => ({ path: mine, strategy: "rebase", author: AUTHOR, credentials: SECRET });

/** Both sides have a commit of the same line; `message` is of mine. */
async function divergeOnLine(message: string): Promise<void> {
  await commit(theirs, "line", `theirs ${clones}`);
  await done("push", { path: theirs, credentials: SECRET });
  write(mine, "line", `mine ${clones}`);
  await done("add", { path: mine });
  await done("commit", { path: mine, message, author: AUTHOR });
}

describe("push and pull", () => {
  test("bring commits to the server and back, with the secret nowhere", async () => {
    await commit(mine, "news", `from ${clones}`);
    const pushing = watchProcesses(formsOf(SECRET), done("push", { path: mine, credentials: SECRET }));
    expect(await pushing).toMatchObject({ hits: [], result: { value: { branch: "main", ahead: 0, behind: 0 } } });
    const pulling = watchProcesses(formsOf(SECRET), done("pull", { path: theirs, credentials: SECRET }));
    expect(await pulling).toMatchObject({ hits: [], result: { value: { ahead: 0, behind: 0 } } });
    expect(readFileSync(join(theirs, "news"), "utf8")).toBe(`from ${clones}`);
    expect(findSecret(place)).toEqual([]);
    expect(await git(place.server.folder, "-C", "app.git", "log", "-1", "--format=%an %ae %cn", "main")).toBe(
      "Bob bob@example.com Bob",
    );
  });

  test.each(["fetch", "pull", "push"])("%s with a wrong password fails, and keeps it nowhere", async (what) => {
    const wrong = { username: "ada", password: "wrong-pass-word" };
    const answer = await call(what, { path: mine, credentials: wrong });
    expect(answer).toMatchObject({ status: 403, body: { reason: "auth_failed" } });
    expect(findSecret(place, wrong)).toEqual([]);
  });

  test("a push over commits of others is refused, and forced only over what was fetched", async () => {
    await commit(theirs, "race", `theirs ${clones}`);
    await done("push", { path: theirs, credentials: SECRET });
    await commit(mine, "race", `mine ${clones}`);
    const push = { path: mine, credentials: SECRET };
    const refused = { status: 409, body: { reason: "non_fast_forward" } };
    expect(await call("push", push)).toMatchObject(refused);
    expect(await call("push", { ...push, force: true })).toMatchObject(refused);
    expect(await done("fetch", push)).toMatchObject({ ahead: 1, behind: 1 });
    expect(await done("push", { ...push, force: true })).toMatchObject({ ahead: 0, behind: 0 });
  });

  test("a pull of both sides' commits is refused, merged, or a conflict, as asked", async () => {
    await commit(theirs, "line", `theirs ${clones}`);
    await done("push", { path: theirs, credentials: SECRET });
    await commit(mine, "line", `mine ${clones}`);
    const pull = { path: mine, credentials: SECRET };
    expect(await call("pull", pull)).toMatchObject({ status: 409, body: { reason: "non_fast_forward" } });
    await git(place.folder, "config", "--file", join(mine, ".git/config"), "user.name", "Bob");
    await git(place.folder, "config", "--file", join(mine, ".git/config"), "user.email", "bob@example.com");
    const conflict = await call("pull", { ...pull, strategy: "merge" });
    expect(conflict).toMatchObject({ status: 409, body: { reason: "conflict" } });
    expect(conflict.body["detail"]).toContain("Merge conflict in line");
    const status = await ask(place, `status?path=${mine}&user=user`);
    expect(status.body["files"]).toEqual([{ path: "line", index: "A", worktree: "A", unmerged: true }]);
    write(mine, "line", "both");
    await done("add", { path: mine, files: ["line"] });
    expect(await done("commit", { path: mine, message: "both", author: AUTHOR })).toMatchObject({
      ahead: 2,
      behind: 0,
    });
  });

  test("a pull takes what the remote has that was asked for, else what is tracked", async () => {
    const fork = await openFork();
    await addRemote(mine, "fork", fork);
    await commit(theirs, "origin's", `${clones}`);
    await done("push", { path: theirs, credentials: SECRET });
    await addRemote(theirs, "fork", fork);
    await commit(theirs, "fork's", `${clones}`);
    await done("push", { path: theirs, remote: "fork", credentials: SECRET });
    await done("fetch", { path: mine, credentials: SECRET });
    expect(await done("pull", { path: mine, remote: "fork", credentials: SECRET })).toMatchObject({ ahead: 1 });
    expect(existsSync(join(mine, "fork's"))).toBe(true);
    // What is tracked is the fork's from now on.
    await done("push", { path: mine, remote: "fork", setUpstream: true, credentials: SECRET });
    await commit(theirs, "more", `${clones}`);
    await done("push", { path: theirs, remote: "fork", credentials: SECRET });
    expect(await done("pull", { path: mine, credentials: SECRET })).toMatchObject({ upstream: "fork/main", behind: 0 });
    expect(existsSync(join(mine, "more"))).toBe(true);
    await done("checkout", { path: mine, ref: "HEAD~1" });
    expect(await call("pull", { path: mine, remote: "fork", credentials: SECRET })).toMatchObject({ status: 409 });
  });

  describe("a rebase that does not come to its end", () => {
    test.each(["Handle Connection refused and repository x not found", "*** Please tell me who you are. ***"])(
      "is a conflict of %j, and undone",
      async (message) => {
        await divergeOnLine(message);
        const before = await statusOf(mine);
        const answer = await call("pull", rebasingPull());
        expect(answer).toMatchObject({ status: 409, body: { reason: "conflict" } });
        expect(answer.body["detail"]).toContain("Merge conflict in line");
        expect(answer.body["hint"]).toContain("git rebase with POST /v1/run");
        expect([isRebasing(), await statusOf(mine)]).toEqual([false, { ...before, behind: 1 }]);
      },
    );

    test("is undone when its caller goes away", async () => {
      await commit(theirs, "other", `theirs ${clones}`);
      await done("push", { path: theirs, credentials: SECRET });
      await commit(mine, "line", `mine ${clones}`);
      const before = await statusOf(mine);
      const hook = join(mine, ".git/hooks/prepare-commit-msg");
      execFileSync("/bin/mkdir", ["-p", join(mine, ".git/hooks")]);
      writeFileSync(hook, `#!/bin/sh\ntouch ${join(mine, ".git/hooked")}\nexec sleep 600\n`, { mode: 0o755 });
      const leaving = new AbortController();
      const body = JSON.stringify({ user: "user", ...rebasingPull() });
      const asked = ask(place, "pull", {}, { body, signal: leaving.signal });
      await until(() => existsSync(join(mine, ".git/hooked")));
      expect(isRebasing()).toBe(true);
      leaving.abort();
      await expect(asked).rejects.toThrow();
      await until(() => !isRebasing());
      // The branch and its lock, if there is one still.
      await until(async () => JSON.stringify(await statusOf(mine)) === JSON.stringify({ ...before, behind: 1 }));
    });

    test("is left to who has begun it with a command", async () => {
      await divergeOnLine("mine");
      await done("fetch", { path: mine, credentials: SECRET });
      const command = "git -c user.name=Bob -c user.email=bob@example.com rebase origin/main";
      await place.daemon.fetch(`/v1/run?user=user&cwd=${mine}`, { method: "POST", body: command });
      expect(isRebasing()).toBe(true);
      const answer = await call("pull", { ...rebasingPull(), branch: "main" });
      expect(answer).toMatchObject({ status: 409, body: { hint: expect.stringContaining("--continue") as string } });
      expect(isRebasing()).toBe(true);
    });
  });

  test("a pull over changes that are not committed is refused", async () => {
    await commit(theirs, "count.txt", `theirs ${clones}`);
    await done("push", { path: theirs, credentials: SECRET });
    write(mine, "count.txt", "changed");
    const answer = await call("pull", { path: mine, credentials: SECRET });
    expect(answer).toMatchObject({ status: 409, body: { reason: "dirty" } });
    expect(readFileSync(join(mine, "count.txt"), "utf8")).toBe("changed");
  });

  test("with credentials no hook runs that could ask for them", async () => {
    await commit(mine, "hooked", `${clones}`);
    const flag = join(mine, "flag");
    const hook = join(mine, ".git/hooks/pre-push");
    execFileSync("/bin/mkdir", ["-p", join(mine, ".git/hooks")]);
    writeFileSync(hook, `#!/bin/sh\n"$GIT_ASKPASS" "Password for '${place.server.url}': " >${flag}\n`, { mode: 0o755 });
    await done("push", { path: mine, credentials: SECRET });
    expect(existsSync(flag)).toBe(false);
  });

  test("credentials go to the remote of the call only", async () => {
    await git(
      place.folder,
      "config",
      "--file",
      join(mine, ".git/config"),
      "remote.origin.url",
      "ssh://git@localhost/x",
    );
    expect(await call("fetch", { path: mine, credentials: SECRET })).toMatchObject({ status: 400 });
    expect(await call("fetch", { path: mine, remote: "none", credentials: SECRET })).toMatchObject({
      status: 404,
      body: { reason: "not_found" },
    });
  });
});

describe("credentials for one host", () => {
  test("go there, and not to where settings have led the remote's name", async () => {
    await using other = await startGitServer(SECRET);
    await git(other.folder, "clone", "-q", "--bare", join(place.server.folder, "app.git"), "app.git");
    const [own, others] = [new URL(place.server.url).host, new URL(other.url).host];
    const config = (...args: string[]) => git(place.folder, "config", "--file", join(mine, ".git/config"), ...args);
    const fetchWith = (host: string) => call("fetch", { path: mine, credentials: { ...SECRET, host } });
    expect(await fetchWith(own)).toMatchObject({ status: 200 });
    await config(`url.${other.url}/.insteadOf`, `${place.server.url}/`);
    for (const what of ["fetch", "pull", "push"]) {
      const answer = await call(what, { path: mine, credentials: { ...SECRET, host: own } });
      expect(answer).toMatchObject({ status: 403, body: { code: "permission_denied" } });
    }
    await config("--unset", `url.${other.url}/.insteadOf`);
    await config("remote.origin.url", `${other.url}/app.git`);
    expect(await fetchWith(own)).toMatchObject({ status: 403 });
    expect(other.authorizations).toEqual([]);
    expect(await fetchWith(others)).toMatchObject({ status: 200 });
    const cloning = {
      url: place.url(),
      path: join(place.folder, "other-host"),
      credentials: { ...SECRET, host: others },
    };
    expect(await call("clone", cloning)).toMatchObject({ status: 403 });
    for (const host of ["https://x", "a@b", "a/b", "", "a b"])
      expect(await fetchWith(host)).toMatchObject({ status: 400 });
  });
});

describe("a remote", () => {
  test.each(["fetch", "pull", "push"])("of a %s is a name, and no address, which could hold a secret", async (what) => {
    const userinfo = `${SECRET.username}:${encodeURIComponent(SECRET.password)}@`;
    const address = place.url().replace("//", `//${userinfo}`);
    for (const remote of [address, "ada@host:r.git", place.server.folder, "../r", "a/../../r"]) {
      const asked = call(what, { path: mine, remote, branch: what === "fetch" ? undefined : "main", allowFile: true });
      const { hits, result } = await watchProcesses(formsOf(SECRET), asked);
      expect([hits, result]).toMatchObject([[], { value: { status: 400 } }]);
    }
    expect(findSecret(place)).toEqual([]);
  });
});

describe("commit and checkout", () => {
  test("a hook runs, on pipes, and can refuse", async () => {
    const hook = join(mine, ".git/hooks/pre-commit");
    execFileSync("/bin/mkdir", ["-p", join(mine, ".git/hooks")]);
    writeFileSync(hook, "#!/bin/sh\necho not today >/dev/stderr\nexit 1\n", { mode: 0o755 });
    write(mine, "x", "x");
    await done("add", { path: mine });
    const answer = await call("commit", { path: mine, message: "x", author: AUTHOR });
    expect(answer).toMatchObject({ status: 409, body: { detail: "git: not today" } });
  });

  test("nothing to commit is said so, and a lock, and a place without a repository", async () => {
    const commitBody = { path: mine, message: "-x", author: AUTHOR };
    expect(await call("commit", commitBody)).toMatchObject({ status: 409, body: { reason: "nothing_to_commit" } });
    write(mine, "x", "x");
    writeFileSync(join(mine, ".git/index.lock"), "");
    expect(await call("add", { path: mine })).toMatchObject({ status: 409, body: { reason: "lock" } });
    expect(await call("add", { path: "/tmp" })).toMatchObject({ status: 409, body: { reason: "not_a_repository" } });
  });

  test("another branch, a new one and a commit are checked out", async () => {
    expect(await done("checkout", { path: mine, ref: "side" })).toMatchObject({
      branch: "side",
      upstream: "origin/side",
    });
    expect(await done("checkout", { path: mine, ref: "new", create: true, start: "origin/main" })).toMatchObject({
      branch: "new",
    });
    expect(await done("checkout", { path: mine, ref: "HEAD~1" })).toMatchObject({ branch: null });
    expect(await call("checkout", { path: mine, ref: "none" })).toMatchObject({
      status: 404,
      body: { reason: "not_found" },
    });
    expect(await call("checkout", { path: mine, ref: "-f" })).toMatchObject({ status: 400 });
  });

  test("an amended commit has the author that is given", async () => {
    await commit(mine, "y", `${clones}`);
    const log = async (): Promise<unknown> => (await ask(place, `log?path=${mine}&user=user&limit=1`)).body["commits"];
    const other = { name: "Eve", email: "eve@example.com" };
    await done("commit", { path: mine, message: "again", amend: true, author: other });
    expect(await log()).toMatchObject([{ subject: "again", author: other, committer: other }]);
  });
});
