import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { hasFreeMemory, narrowestGroup } from "../../../src/host/memory.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";
import { mountInfo } from "../../helpers/mount-info.ts";
import { memoryGroupFor } from "../../helpers/memory-cgroup.ts";

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
  "proc/self/mountinfo": mountInfo({ point: "ROOT/groups", type: "cgroup2" }),
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
        "proc/self/mountinfo": mountInfo({ point: "ROOT/groups", type: "cgroup", options: "rw,memory" }),
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

describe("the cgroup that has the least memory", () => {
  const MACHINE = 1000 * 1024;
  const stat = "anon 300\nfile 500\ninactive_file 200\ntotal_inactive_file 20\ntotal_cache 50\n";
  const v2 = (name: string, max: string): Record<string, string> => ({
    ...group(max, 700, 0)(name),
    [`groups/${name}/memory.stat`]: stat,
  });

  test("tells its limit, its use without what it could give back, and its files in memory", () => {
    const proc = machine(900, { ...V2, ...v2("outer/own", "900") });
    expect(narrowestGroup(MACHINE, proc)).toEqual({ total: 900, used: 500, cache: 500 });
  });

  test("may be one around our own", () => {
    const proc = machine(900, { ...V2, ...v2("outer/own", "900"), ...v2("outer", "800") });
    expect(narrowestGroup(MACHINE, proc)).toMatchObject({ total: 800 });
  });

  test("may be one around a group that does not have the controller", () => {
    const { "groups/outer/own/memory.events": _, ...without } = V2;
    const outer = { "groups/outer/memory.events": "oom_kill 0\n", ...v2("outer", "800") };
    expect(
      narrowestGroup(MACHINE, machine(900, { ...without, "groups/outer/own/cgroup.procs": "", ...outer })),
    ).toEqual({
      total: 800,
      used: 500,
      cache: 500,
    });
  });

  test("counts those below it in version 1", () => {
    const proc = machine(900, {
      "proc/self/cgroup": "4:memory:/own\n",
      "proc/self/mountinfo": mountInfo({ point: "ROOT/groups", type: "cgroup", options: "rw,memory" }),
      "groups/own/memory.oom_control": "oom_kill 0\n",
      "groups/own/memory.limit_in_bytes": "900\n",
      "groups/own/memory.usage_in_bytes": "700\n",
      "groups/own/memory.stat": stat,
    });
    expect(narrowestGroup(MACHINE, proc)).toEqual({ total: 900, used: 680, cache: 50 });
  });

  test("is none where the machine has less, or nothing is limited", () => {
    for (const max of ["max", String(MACHINE), "9223372036854771712"]) {
      expect(narrowestGroup(MACHINE, machine(900, { ...V2, ...v2("outer/own", max) }))).toBeUndefined();
    }
    expect(narrowestGroup(MACHINE, machine(900))).toBeUndefined();
  });
});

test("what this process takes of its cgroup's memory is not free any more", async (context) => {
  await using limited = memoryGroupFor(context, 512 * MIB);
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
