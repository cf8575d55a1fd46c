import type { Sandbox } from "e2b";
import { GitAuthError, GitUpstreamError } from "e2b";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GitServer, seedRepository, startGitServer } from "../../helpers/git-server.ts";
import { SDK_PLACES } from "../../helpers/sdk-place.ts";
import { onSandbox } from "./sandbox.ts";

const SECRET = { username: "ada", password: "sdk-pass-word" };
const AUTHOR = { authorName: "Ada", authorEmail: "ada@example.com" };

describe.each(SDK_PLACES)("sandbox.git %s", (_name, start) => {
  let sandbox: Sandbox;
  let path = "";
  onSandbox(start, (place) => {
    sandbox = place.sandbox;
    path = `${place.folder}/app`;
  });

  let server: GitServer;
  let scratch = "";
  beforeAll(async () => {
    server = await startGitServer(SECRET);
    scratch = mkdtempSync(join(tmpdir(), "guestd-seed-"));
    await seedRepository(join(scratch, "seed"), join(server.folder, "app.git"));
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  const clone = () => sandbox.git.clone(`${server.url}/app.git`, { path, depth: 1, ...SECRET });

  test("clones, commits, pushes and pulls with credentials", async () => {
    await clone();
    await sandbox.files.write(`${path}/news`, "new\n");
    await sandbox.git.add(path);
    await sandbox.git.commit(path, "news", AUTHOR);
    expect(await sandbox.git.status(path)).toMatchObject({ currentBranch: "main", ahead: 1, isClean: true });
    await sandbox.git.push(path, { remote: "origin", branch: "main", setUpstream: true, ...SECRET });
    await sandbox.git.pull(path, { remote: "origin", branch: "main", ...SECRET });
    expect(await sandbox.git.status(path)).toMatchObject({ ahead: 0, behind: 0 });
    expect(await sandbox.git.remoteGet(path, "origin")).toBe(`${server.url}/app.git`);
  });

  test("tells a wrong password", async () => {
    const wrong = sandbox.git.clone(`${server.url}/app.git`, { path, ...SECRET, password: "wrong" });
    await expect(wrong).rejects.toBeInstanceOf(GitAuthError);
  });

  test("makes repositories and branches, and puts files back", async () => {
    await sandbox.git.init(path, { initialBranch: "main" });
    await sandbox.git.setConfig("user.name", "Ada", { scope: "local", path });
    expect(await sandbox.git.getConfig("user.name", { scope: "local", path })).toBe("Ada");
    await sandbox.files.write(`${path}/file`, "one\n");
    await sandbox.git.add(path, { files: ["file"] });
    await sandbox.git.commit(path, "one", AUTHOR);
    await sandbox.git.createBranch(path, "topic");
    await sandbox.git.checkoutBranch(path, "main");
    expect(await sandbox.git.branches(path)).toEqual({ branches: ["main", "topic"], currentBranch: "main" });
    await sandbox.git.deleteBranch(path, "topic");
    await sandbox.files.write(`${path}/file`, "two\n");
    expect((await sandbox.git.status(path)).unstagedCount).toBe(1);
    await sandbox.git.restore(path, { paths: ["file"] });
    await sandbox.git.reset(path, { mode: "hard", target: "HEAD" });
    expect(await sandbox.files.read(`${path}/file`)).toBe("one\n");
  });

  test("adds remotes, anew when told to, and fetches them", async () => {
    await clone();
    await sandbox.git.remoteAdd(path, "other", "https://example.com/x.git");
    expect(await sandbox.git.remoteGet(path, "other")).toBe("https://example.com/x.git");
    await expect(sandbox.git.remoteAdd(path, "other", path)).rejects.toMatchObject({
      stderr: expect.stringContaining("already exists") as string,
    });
    await sandbox.git.remoteAdd(path, "other", path, { overwrite: true, fetch: true });
    expect(await sandbox.git.remoteGet(path, "other")).toBe(path);
    expect(await sandbox.git.remoteGet(path, "none")).toBeUndefined();
    const { stdout } = await sandbox.commands.run(`git -C ${path} branch -r`);
    expect(stdout).toContain("other/main");
  });

  test("resets the index and branches, and removes branches that are not merged by force", async () => {
    await clone();
    await sandbox.git.createBranch(path, "topic");
    await sandbox.files.write(`${path}/file`, "one\n");
    await sandbox.git.add(path);
    expect(await sandbox.git.status(path)).toMatchObject({ hasStaged: true, stagedCount: 1, currentBranch: "topic" });
    await sandbox.git.reset(path, { paths: ["file"] });
    expect(await sandbox.git.status(path)).toMatchObject({ hasStaged: false, untrackedCount: 1 });
    await sandbox.git.add(path);
    await sandbox.git.restore(path, { paths: ["file"], staged: true });
    expect(await sandbox.git.status(path)).toMatchObject({ hasStaged: false, hasUntracked: true });
    await sandbox.git.add(path, { all: true });
    await sandbox.git.commit(path, "one", AUTHOR);
    await sandbox.git.commit(path, "nothing", { ...AUTHOR, allowEmpty: true });
    await sandbox.git.reset(path, { mode: "soft", target: "HEAD~1" });
    expect((await sandbox.git.status(path)).isClean).toBe(true);
    await sandbox.git.checkoutBranch(path, "main");
    await expect(sandbox.git.deleteBranch(path, "topic")).rejects.toMatchObject({
      stderr: expect.stringContaining("not fully merged") as string,
    });
    await sandbox.git.deleteBranch(path, "topic", { force: true });
    expect(await sandbox.git.branches(path)).toEqual({ branches: ["main"], currentBranch: "main" });
  });

  test("keeps a user and a password for later calls where it is told to", async () => {
    // A home of its own: both are written down there.
    const own = { envs: { HOME: path.replace(/app$/, "") } };
    const url = new URL(server.url);
    await sandbox.git.configureUser("Ada", "ada@example.com", own);
    expect(await sandbox.git.getConfig("user.email", own)).toBe("ada@example.com");
    expect(await sandbox.git.getConfig("user.none", own)).toBeUndefined();
    await sandbox.git.dangerouslyAuthenticate({ ...SECRET, host: url.host, protocol: "http", ...own });
    await sandbox.git.clone(`${server.url}/app.git`, { path, branch: "main", ...own });
    await sandbox.git.createBranch(path, "topic", own);
    await sandbox.files.write(`${path}/file`, "one\n");
    await sandbox.git.add(path, own);
    await sandbox.git.commit(path, "one", own);
    await expect(sandbox.git.pull(path, own)).rejects.toBeInstanceOf(GitUpstreamError);
    await sandbox.git.push(path, { remote: "origin", branch: "topic", ...own });
    await sandbox.git.pull(path, { remote: "origin", branch: "topic", ...own });
    expect(await sandbox.git.status(path, own)).toMatchObject({ ahead: 0, behind: 0, isClean: true });
  });
});
