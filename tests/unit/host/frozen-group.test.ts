import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { beforeEach, expect, test } from "vitest";
import { writableCgroup } from "../../../src/host/cgroup.ts";
import { FrozenGroup } from "../../../src/host/frozen-group.ts";
import { skipTest } from "../../helpers/skip.ts";
import { isRoot } from "./programs.ts";

const NOBODY = 65_534;
const PREFIX = `guestd-freeze-${process.pid}-`;
/** Locks each group of ours as soon as it sees one, and at each line says which it holds, and lets go of them. */
const RIVAL = `
import fcntl, os, select, sys
parent, prefix = sys.argv[1:]
held = {}
while True:
    for name in os.listdir(parent):
        if not name.startswith(prefix) or name in held: continue
        try: fd = os.open(os.path.join(parent, name), os.O_RDONLY)
        except OSError: continue
        try: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB); held[name] = fd
        except OSError: os.close(fd)
    if select.select([sys.stdin], [], [], 0)[0]:
        if sys.stdin.readline() == "": break
        print(" ".join(held), flush=True)
        for fd in held.values(): os.close(fd)
        held.clear()
`;

let parent: string;
beforeEach((context) => {
  parent = writableCgroup() ?? skipTest(context, "no cgroup (v2) that may be written to");
});

const ownGroups = (): string[] => readdirSync(parent).filter((name) => name.startsWith(PREFIX));

/** Another process that locks our groups; `ask` says which it holds. */
function startRival(): Disposable & { ask(): Promise<string[]> } {
  const rival = spawn("python3", ["-c", RIVAL, parent, PREFIX], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: rival.stdout })[Symbol.asyncIterator]();
  return {
    ask: async () => {
      rival.stdin.write("\n");
      return String((await lines.next()).value)
        .split(" ")
        .filter(Boolean);
    },
    [Symbol.dispose]: () => void rival.kill("SIGKILL"),
  };
}

test("a group that another daemon has locked before us is none of ours, and is gone", async () => {
  using rival = startRival();
  await rival.ask(); // it looks from now on
  let group: FrozenGroup | undefined;
  do {
    group = FrozenGroup.open();
    const mine = ownGroups();
    const held = new Set(await rival.ask());
    group?.release();
    expect(mine.filter((name) => held.has(name))).toEqual([]);
    expect(mine).toHaveLength(group ? 1 : 0);
  } while (group);
});

test.runIf(isRoot)("no ordinary user can open one, and so hold its lock when we are gone", () => {
  const group = FrozenGroup.open();
  const path = join(parent, ownGroups()[0] ?? "");
  const { status } = spawnSync("test", ["-r", path], { uid: NOBODY, gid: NOBODY });
  group?.release();
  expect([status, existsSync(path)]).toEqual([1, false]);
});
