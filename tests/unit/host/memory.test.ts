import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { hasFreeMemory } from "../../../src/host/memory.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";
import { canMakeMemoryGroups, makeMemoryGroup } from "../../helpers/memory-cgroup.ts";

const MIB = 2 ** 20;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A machine of 1000 kB whose kernel tells these files; `ROOT` stands for the folder that they are in. */
function machine(availableKb: number, files: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), "guestd-memory-"));
  folders.push(root);
  const meminfo = `MemTotal:        1000 kB\nMemFree:    0 kB\nMemAvailable:   ${availableKb} kB\n`;
  for (const [name, text] of Object.entries({ "proc/meminfo": meminfo, ...files })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text.replace("ROOT", root));
  }
  return join(root, "proc");
}

const V2 = {
  "proc/self/cgroup": "0::/outer/own\n",
  "proc/mounts": "cgroup2 ROOT/groups cgroup2 rw 0 0\n",
  "groups/outer/own/memory.events": "oom_kill 0\n",
};
const group = (max: string, current: number, cache: number) => (name: string) => ({
  [`groups/${name}/memory.max`]: `${max}\n`,
  [`groups/${name}/memory.current`]: `${current}\n`,
  [`groups/${name}/memory.stat`]: `anon 1\ninactive_file ${cache}\n`,
});

describe("memory is free when enough of it is available", () => {
  test("on the machine", () => {
    expect([hasFreeMemory(0.2, machine(200)), hasFreeMemory(0.2, machine(199))]).toEqual([true, false]);
  });

  test("in the cgroup of this process, whose caches do not count as used", () => {
    const sizes = [800, 801, 802].map((current) => group("1000", current, 1)("outer/own"));
    expect(sizes.map((own) => hasFreeMemory(0.2, machine(900, { ...V2, ...own })))).toEqual([true, true, false]);
  });

  test("in the cgroups around that one", () => {
    const unlimited = group("max", 900, 0)("outer/own");
    expect(hasFreeMemory(0.2, machine(900, { ...V2, ...unlimited, ...group("1000", 900, 0)("outer") }))).toBe(false);
    expect(hasFreeMemory(0.2, machine(900, { ...V2, ...unlimited, ...group("max", 900, 0)("outer") }))).toBe(true);
  });

  test("in a cgroup of version 1", () => {
    const [enough, tooLittle] = [900, 901].map((usage) =>
      machine(900, {
        "proc/self/cgroup": "4:memory:/own\n",
        "proc/mounts": "cgroup ROOT/groups cgroup rw,memory 0 0\n",
        "groups/own/memory.oom_control": "oom_kill 0\n",
        "groups/own/memory.limit_in_bytes": "1000\n",
        "groups/own/memory.usage_in_bytes": `${usage}\n`,
        "groups/own/memory.stat": "inactive_file 500\ntotal_inactive_file 100\n",
      }),
    );
    expect([hasFreeMemory(0.2, enough), hasFreeMemory(0.2, tooLittle)]).toEqual([true, false]);
  });

  test("and not when that cannot be known", () => {
    expect(hasFreeMemory(0.2, "/nowhere")).toBe(false);
    expect(hasFreeMemory(0, "/nowhere")).toBe(true);
  });
});

test.skipIf(!canMakeMemoryGroups())("what this process takes of its cgroup's memory is not free any more", async () => {
  await using limited = makeMemoryGroup(512 * MIB) as NonNullable<ReturnType<typeof makeMemoryGroup>>;
  const script = `
    const { hasFreeMemory } = require(${JSON.stringify(join(REPOSITORY, "src", "host", "memory.ts"))});
    process.stdin.once("data", () => {
      const before = hasFreeMemory(0.5);
      globalThis.taken = Buffer.alloc(${300 * MIB}, 1);
      console.log(JSON.stringify([before, hasFreeMemory(0.5)]));
      process.exit();
    });`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  writeFileSync(limited.procsFile, String(child.pid));
  child.stdin.write("\n");
  const [answer] = (await once(createInterface(child.stdout), "line")) as [string];
  expect(JSON.parse(answer)).toEqual([true, false]);
  if (child.exitCode === null) await once(child, "exit");
});
