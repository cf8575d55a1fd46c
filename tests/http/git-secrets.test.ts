import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
import { changedFilesWith, formsOf, processesWith, watchProcesses } from "../helpers/secret-search.ts";
import { type Answer, ask, findSecret, type GitPlace, SECRET, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

const WRONG = { username: SECRET.username, password: `wrong-${SECRET.password}` };
/** A wrong password holds the right one, so what is searched for is in both. */
const FORMS = formsOf(SECRET);
const WITH_SECRET = { credentials: SECRET };

let place: GitPlace;
const since = new Date(Date.now() - 1000);
beforeAll(async () => void (place = await startGitPlace()));
afterAll(async () => place[Symbol.asyncDispose]());

/** What came of a call, with the secret looked for in all processes meanwhile, and in files and logs of the test behind it. */
async function searched(call: Promise<Answer>): Promise<Answer> {
  const { hits, result, rounds } = await watchProcesses(FORMS, call);
  expect([hits, findSecret(place), rounds > 0]).toEqual([[], [], true]);
  if (result.status === "rejected") throw result.reason;
  expect(JSON.stringify(result.value)).not.toContain(SECRET.password);
  return result.value;
}

async function cancelledClone(path: string): Promise<void> {
  const leaving = new AbortController();
  const stalled = once(place.server.events, "stalled");
  place.server.isStalling = true;
  const body = JSON.stringify({ url: place.url(), path, user: "user", ...WITH_SECRET });
  const headers = { "Content-Type": "application/json" };
  const call = place.daemon.fetch("/v1/git/clone", { method: "POST", headers, body, signal: leaving.signal });
  call.catch(() => undefined);
  await stalled;
  expect([processesWith(FORMS), findSecret(place)]).toEqual([[], []]);
  leaving.abort();
  await until(() => !existsSync(path) && processesWith([Buffer.from(path)]).length === 0);
  place.server.isStalling = false;
}

test("a secret is nowhere on the machine, during and after every kind of call", { timeout: 200_000 }, async () => {
  const ok = { status: 200 };
  const clone = (name: string, more: object) =>
    searched(ask(place, "clone", { url: place.url(), path: join(place.folder, name), user: "user", ...more }));
  expect(await clone("whole", WITH_SECRET)).toMatchObject(ok);
  expect(await clone("shallow", { ...WITH_SECRET, depth: 1 })).toMatchObject(ok);
  const failed = { status: 403, body: { reason: "auth_failed" } };
  expect(await clone("wrong", { credentials: WRONG })).toMatchObject(failed);

  const mine = await TestClone.open(place, "mine");
  const theirs = await TestClone.open(place, "theirs");
  await theirs.commit("line", "theirs\n");
  expect(await searched(theirs.change("push", WITH_SECRET))).toMatchObject(ok);
  await mine.commit("line", "mine\n");
  expect(await searched(mine.change("push", { credentials: WRONG }))).toMatchObject(failed);
  expect(await searched(mine.change("push", WITH_SECRET))).toMatchObject({
    status: 409,
    body: { reason: "non_fast_forward" },
  });
  const author = { name: "Bob", email: "bob@example.com" };
  expect(await searched(mine.change("pull", { ...WITH_SECRET, strategy: "merge", author }))).toMatchObject({
    status: 409,
    body: { reason: "conflict" },
  });
  await mine.done("reset", { mode: "hard", ref: "HEAD~1" });
  expect(await searched(mine.change("pull", WITH_SECRET))).toMatchObject(ok);
  expect(await searched(mine.change("fetch", { ...WITH_SECRET, tags: true }))).toMatchObject(ok);
  await cancelledClone(join(place.folder, "cancelled"));

  expect([findSecret(place), processesWith(FORMS)]).toEqual([[], []]);
  // The search finds what there is: this alone.
  const leak = join(place.folder, "leak");
  writeFileSync(leak, `x ${SECRET.password}`);
  const shared = `/dev/shm/guestd-leak-${process.pid}`;
  try {
    writeFileSync(shared, `x ${SECRET.password}`);
    expect(changedFilesWith(FORMS, since).toSorted()).toEqual([leak, shared].toSorted());
  } finally {
    rmSync(shared, { force: true });
  }
});
