import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
import { ProcessMark } from "../helpers/marked-processes.ts";
import { findSecret, type GitPlace, SECRET, setVariables, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

interface Event {
  type: string;
  [member: string]: unknown;
}

/** Of everything that the daemon starts. */
const mark = new ProcessMark();
let place: GitPlace;
beforeAll(async () => {
  place = await startGitPlace();
  await setVariables(place, mark.envs);
});
afterAll(async () => place[Symbol.asyncDispose]());
afterEach(() => void (place.server.isStalling = false));

/** Events of a call whose pack the server holds back. */
class StalledCall {
  readonly path: string;
  readonly #leaving = new AbortController();
  readonly #answer: Promise<Response>;
  readonly #stalled: Promise<unknown>;
  #lines: AsyncGenerator<string> | undefined;

  constructor(what: "clone" | "fetch", path: string) {
    this.path = path;
    place.server.isStalling = true;
    this.#stalled = once(place.server.events, "stalled");
    this.#answer = place.daemon.fetch(`/v1/git/${what}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/x-ndjson" },
      body: JSON.stringify({ path, user: "user", credentials: SECRET, ...(what === "clone" && { url: place.url() }) }),
      signal: this.#leaving.signal,
    });
    this.#answer.catch(() => undefined);
  }

  /** Waits until the pack is held back. */
  async stall(): Promise<void> {
    await this.#stalled;
  }

  leave(): void {
    this.#leaving.abort();
  }

  /** The next event; undefined behind the last one. */
  async next(): Promise<Event | undefined> {
    this.#lines ??= linesOf(await this.#answer);
    const { value, done } = await this.#lines.next();
    return done ? undefined : (JSON.parse(value) as Event);
  }

  async rest(): Promise<Event[]> {
    const events: Event[] = [];
    for (let event = await this.next(); event; event = await this.next()) events.push(event);
    return events;
  }
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  if (!body) return;
  let text = "";
  for await (const bytes of body.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

const hasPrograms = (): boolean => mark.holders().length > 0;

/** Files that git makes to put them in place, or to remove them, when it is done. */
function halfMade(path: string): string[] {
  const names = readdirSync(join(path, ".git"), { recursive: true, encoding: "utf8" });
  return names.filter((name) => /\.lock$|tmp_[^/]*$/.test(name));
}

describe("a clone's events", () => {
  test("end with an error when the server dies behind the first of them, and nothing is left", async () => {
    const call = new StalledCall("clone", join(place.folder, "cut"));
    expect(await call.next()).toMatchObject({ type: "progress", stage: expect.stringMatching(/^remote: /) as string });
    await call.stall();
    expect([hasPrograms(), existsSync(call.path)]).toEqual([true, true]);
    place.server.events.emit("cut");
    const last = (await call.rest()).at(-1);
    expect(last).toMatchObject({ type: "error", status: 503, code: "unavailable", reason: "network" });
    expect([hasPrograms(), existsSync(call.path), findSecret(place)]).toEqual([false, false, []]);
  });

  test("are there for who reads none of them before the clone is done", async () => {
    const call = new StalledCall("clone", join(place.folder, "late"));
    await call.stall();
    place.server.isStalling = false;
    place.server.events.emit("resume");
    await until(() => !hasPrograms() && existsSync(join(call.path, "count.txt")));
    const events = await call.rest();
    expect(events.at(-1)).toMatchObject({ type: "result", path: call.path, branch: "main" });
    expect(new Set(events.slice(0, -1).map(({ type }) => type))).toEqual(new Set(["progress"]));
  });

  test("are for somebody: when he leaves in the middle the clone ends, and nothing is left", async () => {
    const call = new StalledCall("clone", join(place.folder, "left"));
    expect(await call.next()).toMatchObject({ type: "progress" });
    await call.stall();
    call.leave();
    await until(() => !hasPrograms() && !existsSync(call.path));
    expect(findSecret(place)).toEqual([]);
  });
});

async function openStale(name: string): Promise<TestClone> {
  const clone = await TestClone.open(place, name);
  // As if nothing of the other branch had been fetched yet.
  await clone.shell(
    "git update-ref -d refs/remotes/origin/side && git reflog expire --expire=now --all && git gc -q --prune=now",
  );
  return clone;
}

describe("a fetch", () => {
  test.each([
    ["whose server dies fails", "cut"],
    ["whose client leaves ends", "leave"],
  ] as const)("%s behind its first events, and the repository is as it was", async (_name, how) => {
    const clone = await openStale(how);
    const before = (await clone.look("branches")).body;
    const call = new StalledCall("fetch", clone.path);
    expect(await call.next()).toMatchObject({ type: "progress" });
    await call.stall();
    if (how === "leave") call.leave();
    else place.server.events.emit("cut");
    if (how === "cut") expect((await call.rest()).at(-1)).toMatchObject({ type: "error", reason: "network" });
    await until(() => !hasPrograms());
    expect(halfMade(clone.path)).toEqual([]);
    expect((await clone.look("branches")).body).toEqual(before);
    place.server.isStalling = false;
    await clone.done("fetch", { credentials: SECRET });
    expect(await clone.shell("git fsck && git rev-parse -q --verify origin/side")).toMatch(/^[\da-f]{40}$/m);
  });
});
