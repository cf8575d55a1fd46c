import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
import { startGitServer } from "../helpers/git-server.ts";
import { formsOf, processesWith, watchProcesses } from "../helpers/secret-search.ts";
import { ask, findSecret, type GitPlace, SECRET, setVariables, startGitPlace } from "./git-place.ts";

let place: GitPlace;
beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());

const at = (name: string): string => join(place.folder, name);
const clone = (name: string, more: object = {}) =>
  ask(place, "clone", { url: place.url(), path: at(name), user: "user", credentials: SECRET, ...more });

describe("POST /v1/git/clone", () => {
  test("clones with credentials, which are nowhere during it and after it", async () => {
    const { hits, result, rounds } = await watchProcesses(formsOf(SECRET), clone("whole"));
    expect(result).toMatchObject({
      value: {
        status: 200,
        body: { path: at("whole"), url: place.url(), branch: "main", upstream: "origin/main", ahead: 0 },
      },
    });
    expect(rounds).toBeGreaterThan(1);
    expect([hits, findSecret(place)]).toEqual([[], []]);
    expect(readFileSync(at("whole/count.txt"), "utf8")).toBe("3\n");
    expect(statSync(at("whole/.git/config")).uid).toBe(statSync("/home/user").uid);
  });

  test("the search for the secret finds it where it is", async () => {
    writeFileSync(at("leak"), `x ${SECRET.password}`);
    expect(findSecret(place)).toEqual([at("leak")]);
    writeFileSync(at("leak"), "");
  });

  test("takes credentials out of the address", async () => {
    const userinfo = `${SECRET.username}:${encodeURIComponent(SECRET.password)}`;
    const url = place.url().replace("//", `//${userinfo}@`);
    const { status, body } = await clone("from-url", { url, credentials: undefined });
    expect([status, body["url"], findSecret(place)]).toEqual([200, place.url(), []]);
    expect(readFileSync(at("from-url/.git/config"), "utf8")).toContain(`url = ${place.url()}\n`);
  });

  test.each([
    ["a branch", { branch: "side" }, { branch: "side" }],
    ["part of the history", { depth: 1 }, { branch: "main" }],
    ["without what is not needed yet", { filter: "blob:none" }, { branch: "main" }],
    ["some directories only", { branch: "side", sparse: ["docs"] }, { branch: "side" }],
  ])("clones %s", async (name, more, expected) => {
    const path = name.replaceAll(" ", "-");
    expect(await clone(path, more)).toMatchObject({ status: 200, body: expected });
    const log = await ask(place, `log?path=${at(path)}&user=user`);
    const { length } = log.body["commits"] as unknown[];
    expect(length).toBe("depth" in more ? 1 : expected.branch === "side" ? 4 : 3);
    expect(findSecret(place)).toEqual([]);
  });

  test.each([
    ["a wrong password", { credentials: { ...SECRET, password: "wrong-pass-word" } }, 403, "auth_failed"],
    ["no credentials", { credentials: undefined }, 403, "auth_failed"],
    ["no such repository", { url: "none.git" }, 404, "not_found"],
    ["no such branch", { branch: "none" }, 404, "not_found"],
    ["a server that is not there", { url: "http://127.0.0.1:9/x.git" }, 503, "network"],
  ])("fails for %s, and leaves nothing", async (_name, more, status, reason) => {
    const url = "url" in more && !more.url.includes("://") ? { url: place.url(more.url) } : {};
    const answer = await clone("failed", { ...more, ...url });
    expect(answer).toMatchObject({ status, body: { reason, detail: expect.stringMatching(/^git: /) as string } });
    expect(JSON.stringify(answer.body)).not.toContain("wrong-pass-word");
    expect(existsSync(at("failed"))).toBe(false);
    expect(findSecret(place, { username: SECRET.username, password: "wrong-pass-word" })).toEqual([]);
  });

  test.each([
    ["ext::sh -c id", 400],
    ["--upload-pack=id", 400],
    ["file:///etc", 403],
    ["/etc", 403],
    ["ftp://example.com/x", 400],
    ["https://good.example\\@evil.example/x", 400],
    ["ssh://-oProxyCommand=id/x", 400],
  ])("refuses %s", async (url, status) => {
    expect((await clone("refused", { url, credentials: undefined })).status).toBe(status);
    expect(existsSync(at("refused"))).toBe(false);
  });

  test("leaves a directory alone that was there before", async () => {
    mkdirSync(at("taken"));
    writeFileSync(at("taken/mine"), "mine");
    expect(await clone("taken")).toMatchObject({ status: 409, body: { code: "already_exists" } });
    expect(readFileSync(at("taken/mine"), "utf8")).toBe("mine");
  });

  test("leaves a directory alone that another clone makes at the same time, under whatever name", async () => {
    symlinkSync(place.folder, at("alias"));
    for (const [name, other] of [
      ["twice", "twice"],
      ["thrice", "alias/thrice"],
    ] as const) {
      const answers = await Promise.all([clone(name), clone(other), clone(name)]);
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409]);
      const losers = answers.filter(({ status }) => status === 409);
      for (const { body } of losers) expect(body).toMatchObject({ code: "aborted", reason: "lock" });
      expect(readFileSync(at(name + "/count.txt"), "utf8")).toBe("3\n");
    }
    rmSync(at("alias"));
  });

  test("runs no hook of a template", async () => {
    mkdirSync(at("template/hooks"), { recursive: true });
    mkdirSync(at("xdg/git"), { recursive: true });
    writeFileSync(at("template/hooks/post-checkout"), `#!/bin/sh\ntouch ${at("hooked")}\n`, { mode: 0o755 });
    writeFileSync(at("xdg/git/config"), `[init]\n\ttemplateDir = ${at("template")}\n`);
    await setVariables(place, { XDG_CONFIG_HOME: at("xdg") });
    expect((await clone("unhooked")).status).toBe(200);
    await setVariables(place, {});
    expect([existsSync(at("unhooked/.git/hooks/post-checkout")), existsSync(at("hooked"))]).toEqual([true, false]);
  });
});

test("a server that answers with very much is told to have no repository, and the daemon goes on", async () => {
  // Git takes what a server says of its failure over, line by line.
  const server = createServer((_request, response) => {
    response.writeHead(404, { "Content-Type": "text/plain" }).end(`x${"\r".repeat(300_000)}x`);
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`;
  const answer = await ask(place, "clone", { url, path: join(place.folder, "much"), user: "user" });
  expect(answer).toMatchObject({ status: 404, body: { reason: "not_found" } });
  expect(answer.body["detail"]).toContain("fatal: repository");
});

describe("a redirect", () => {
  test.each([
    ["before", false],
    ["after", true],
  ])("to another host gets no credentials %s the first server has asked for them", async (_when, asksFirst) => {
    await using other = await startGitServer(SECRET);
    await using first = await startGitServer(SECRET);
    const to = other.url.replace("127.0.0.1", "localhost");
    first.redirect = { from: "/moved.git", to: `${to}/app.git` };
    first.asksBeforeRedirect = asksFirst;
    const answer = await ask(place, "clone", {
      url: `${first.url}/moved.git`,
      path: at("redirected"),
      user: "user",
      credentials: SECRET,
    });
    expect(answer).toMatchObject({ status: 403, body: { reason: "auth_failed" } });
    expect(other.authorizations).toEqual([]);
    expect(first.authorizations.length > 0).toBe(asksFirst);
  });

  test("on the same host is followed", async () => {
    place.server.redirect = { from: "/old.git", to: "/app.git" };
    expect(await clone("renamed", { url: place.url("old.git") })).toMatchObject({ status: 200 });
    place.server.redirect = undefined;
  });
});

const gits = (): string[] => processesWith([Buffer.from(at("slow"))]);

describe("a clone that takes its time", () => {
  beforeAll(() => void (place.server.isStalling = true));
  afterAll(() => void (place.server.isStalling = false));

  test("has its secret in no process or file meanwhile, and is gone when the client leaves", async () => {
    const leaving = new AbortController();
    const stalled = once(place.server.events, "stalled");
    const body = JSON.stringify({ url: place.url(), path: at("slow"), user: "user", credentials: SECRET });
    const headers = { "Content-Type": "application/json", Accept: "application/x-ndjson" };
    const answer = place.daemon.fetch("/v1/git/clone", { method: "POST", headers, body, signal: leaving.signal });
    answer.catch(() => undefined);
    await stalled;
    expect(gits()).not.toEqual([]);
    expect([findSecret(place), existsSync(at("slow"))]).toEqual([[], true]);
    leaving.abort();
    await until(() => gits().length === 0 && !existsSync(at("slow")));
  });

  test("ends when its time is over", async () => {
    const answer = await clone("late", { timeoutMs: 300 });
    expect([answer.status, existsSync(at("late"))]).toEqual([504, false]);
  });

  test("has no less of its time for being frozen meanwhile", async () => {
    await place.daemon.fetch("/freeze?maxWaitMs=5000", { method: "POST" });
    let isOver = false;
    const answer = clone("frozen", { timeoutMs: 600 }).finally(() => void (isOver = true));
    // Longer than the limit: another process is what tells that the time is over.
    await once(spawn("sleep", ["0.7"]), "exit");
    expect(isOver).toBe(false);
    const thawedAt = performance.now();
    await place.daemon.fetch("/unfreeze", { method: "POST" });
    expect(await answer).toMatchObject({ status: 504, body: { code: "deadline_exceeded" } });
    expect(performance.now() - thawedAt).toBeGreaterThan(500);
    expect(existsSync(at("frozen"))).toBe(false);
  });
});

test("progress comes as events, the result last", async () => {
  const body = JSON.stringify({ url: place.url(), path: at("events"), user: "user", credentials: SECRET });
  const headers = { "Content-Type": "application/json", Accept: "application/x-ndjson" };
  const text = await (await place.daemon.fetch("/v1/git/clone", { method: "POST", headers, body })).text();
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; percent?: number });
  expect(events.at(-1)).toMatchObject({ type: "result", path: at("events"), branch: "main" });
  expect(events.slice(0, -1).every(({ type, percent = -1 }) => type === "progress" && percent >= 0)).toBe(true);
});
