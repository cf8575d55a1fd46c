import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startForkedDaemon } from "../helpers/forked-daemon.ts";
import { followFeed } from "./feed-client.ts";
import { watchDir } from "./watch-client.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "guestd-budget-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** The kernel counts watches for each user namespace too: what is lowered in one of its own is lowered for nobody else. */
function within(setting: "max_inotify_watches" | "max_inotify_instances", value: number): [string, ...string[]] {
  const script = `echo ${value} > /proc/sys/user/${setting} && exec "$@"`;
  return ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"];
}

/** Some machines do not let programs have such namespaces. */
function hasUserNamespaces(): boolean {
  try {
    execFileSync("unshare", ["--user", "--map-root-user", "sh", "-c", "echo 9 > /proc/sys/user/max_inotify_watches"], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}

test.runIf(hasUserNamespaces())(
  "a kernel that has no more watches is told, and what it does not watch is polled",
  async () => {
    mkdirSync(join(root, "a/b"), { recursive: true });
    await using daemon = await startForkedDaemon([], { within: within("max_inotify_watches", 2) });
    using feed = await followFeed(`${daemon.url}/v1/watch?path=${root}&recursive=1`);
    expect(await feed.next()).toMatchObject({ type: "ready", mode: "inotify" });
    expect(await feed.next()).toMatchObject({ type: "gap", name: "a/b", reason: "budget", mode: "polling" });
    writeFileSync(join(root, "a/x"), "");
    expect(await feed.next()).toMatchObject({ type: "create", name: "a/x" });
    await madeUntilSeen(join(root, "a/b"), async () => {
      const event = await feed.next();
      return "name" in event && event.name.startsWith("a/b/");
    });
    expect((await daemon.log()).counts).toMatchObject({ "watch.gap": 1 });
  },
);

test.runIf(hasUserNamespaces())(
  "where there is no inotify instance to have, everything is polled, and the answers say so",
  async () => {
    await using daemon = await startForkedDaemon([], { within: within("max_inotify_instances", 0) });
    using feed = await followFeed(`${daemon.url}/v1/watch?path=${root}`);
    expect(await feed.next()).toMatchObject({ type: "ready", mode: "polling" });
    using stream = await watchDir(daemon.url, { path: root });
    expect(stream.headers.get("guestd-watch-mode")).toBe("polling");
    expect(await stream.next()).toEqual({ start: {} });
    await madeUntilSeen(root, async () => (await stream.next())?.filesystem?.type === "EVENT_TYPE_CREATE");
    expect(await feed.next()).toMatchObject({ type: "create" });
  },
);

/** Makes a file every now and then until `isSeen` resolves to true. */
async function madeUntilSeen(folder: string, isSeen: () => Promise<boolean>): Promise<void> {
  let index = 0;
  const timer = setInterval(() => writeFileSync(join(folder, `${(index += 1)}`), ""), 100);
  try {
    while (!(await isSeen()));
  } finally {
    clearInterval(timer);
  }
}
