import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startForkedDaemon } from "../helpers/forked-daemon.ts";
import { callRpc, watchDir } from "../http/watch-client.ts";
import { inotifyInstances } from "../unit/watch/watching.ts";
import { until } from "../helpers/daemon.ts";

/** 100 000 files in 1 000 directories, three deep, as fast as one program makes them. */
const MAKE_FILES = `
import os, sys
for a in range(10):
    for b in range(10):
        for c in range(10):
            folder = "%s/%d/%d/%d" % (sys.argv[1], a, b, c)
            os.makedirs(folder)
            for d in range(100):
                os.close(os.open("%s/%d" % (folder, d), os.O_CREAT | os.O_WRONLY))
`;

interface WireEvent {
  name: string;
  type: string;
}

function take(names: Set<string>, { name, type }: WireEvent): void {
  if (type === "EVENT_TYPE_CREATE") names.add(name);
  else if (type === "EVENT_TYPE_REMOVE" || type === "EVENT_TYPE_RENAME") names.delete(name);
}

test.each([
  { kept: 1_000_000, what: "everything is kept" },
  { kept: 65_536, what: "the reader is told to look again" },
])(
  "100 000 files made in nested new directories while the reader sleeps are all told, where $what",
  async ({ kept, what }) => {
    const root = await mkdtemp(join(tmpdir(), "guestd-watch-"));
    await using daemon = await startForkedDaemon(["--kept-watch-events", String(kept)]);
    try {
      const { body } = await callRpc(daemon.url, "CreateWatcher", { path: root, recursive: true });
      using stream = await watchDir(daemon.url, { path: root, recursive: true });
      expect(await stream.next()).toEqual({ start: {} });
      const began = performance.now();
      await once(spawn("python3", ["-c", MAKE_FILES, root], { stdio: "ignore" }), "exit");
      const seconds = (performance.now() - began) / 1000;
      const polled = new Set<string>();
      let rescans = 0;
      for (let count = 1; count > 0;) {
        const { body: answer } = await callRpc(daemon.url, "GetWatcherEvents", body);
        const events = (answer["events"] ?? []) as WireEvent[];
        if (answer["rescan"]) {
          rescans += 1;
          polled.clear();
        }
        for (const event of events) take(polled, event);
        count = events.length;
      }
      const found = (await readdir(root, { recursive: true })).toSorted();
      console.log(`${what}: ${found.length} made in ${seconds.toFixed(1)} s, ${rescans} rescans of the poller`);
      expect(found).toHaveLength(10 + 100 + 1000 + 100_000);
      expect([...polled].toSorted()).toEqual(found);
      const streamed = new Set<string>();
      let streamRescans = 0;
      while (streamed.size < found.length) {
        const message = await stream.next();
        if (message?.rescan) {
          streamRescans += 1;
          streamed.clear();
        }
        if (message?.filesystem) take(streamed, message.filesystem);
      }
      console.log(`${what}: ${streamRescans} rescans of the stream`);
      expect([...streamed].toSorted()).toEqual(found);
      expect(await inotifyInstances(daemon.pid)).toEqual([1 + 10 + 100 + 1000]);
      stream[Symbol.dispose]();
      await callRpc(daemon.url, "RemoveWatcher", body);
      await until(async () => (await inotifyInstances(daemon.pid)).every((count) => count === 0));
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
);
