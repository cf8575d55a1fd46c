import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { readCpu } from "../../../src/host/cpu.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A machine of four processors whose kernel tells these files; `ROOT` stands for the folder that they are in. */
function machine(files: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), "guestd-cpu-"));
  folders.push(root);
  const lines = [0, 1, 2, 3].map((index) => `cpu${index} 25 5 10 1000 3 1 2 4 0 0\n`).join("");
  const all = { "proc/stat": `cpu  100 20 40 4000 12 4 8 16 0 0\n${lines}intr 0\n`, ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text.replaceAll("ROOT", root));
  }
  return join(root, "proc");
}

const V1 = {
  "proc/self/cgroup": "5:cpuacct:/outer/own\n4:cpu:/outer/own\n3:cpuset:/\n",
  "proc/mounts":
    "cgroup ROOT/cpuset cgroup rw,cpuset 0 0\ncgroup ROOT/cpu cgroup rw,cpu 0 0\ncgroup ROOT/acct cgroup rw,cpuacct 0 0\n",
};
const v1Group = (name: string, quota: number, usedNs: number): Record<string, string> => ({
  [`cpu/${name}/cpu.cfs_quota_us`]: `${quota}\n`,
  [`cpu/${name}/cpu.cfs_period_us`]: "100000\n",
  [`acct/${name}/cpuacct.usage`]: `${usedNs}\n`,
});
const V2 = { "proc/self/cgroup": "0::/outer/own\n", "proc/mounts": "cgroup2 ROOT/groups cgroup2 rw 0 0\n" };
const v2Group = (name: string, max: string, usedUs: number): Record<string, string> => ({
  [`groups/${name}/cpu.max`]: `${max}\n`,
  [`groups/${name}/cpu.stat`]: `usage_usec ${usedUs}\nuser_usec 1\nsystem_usec 1\n`,
});

describe("processor time", () => {
  test("is the machine's where nothing limits it; what waits or was stolen is not used", () => {
    const free = { processors: 4, usedMs: 1720 };
    expect(readCpu(machine(), 4)).toEqual(free);
    expect(readCpu(machine({ ...V2, ...v2Group("outer/own", "max 100000", 7) }), 4)).toEqual(free);
    expect(readCpu(machine({ ...V1, ...v1Group("outer/own", -1, 7) }), 4)).toEqual(free);
    // A limit of more than there is limits nothing.
    expect(readCpu(machine({ ...V2, ...v2Group("outer/own", "800000 100000", 7) }), 4)).toEqual(free);
  });

  test("is that of the cgroup which has a limit, in version 2", () => {
    const own = v2Group("outer/own", "150000 100000", 2_000_000);
    expect(readCpu(machine({ ...V2, ...own }), 4)).toEqual({ processors: 1.5, usedMs: 2000 });
    const outer = v2Group("outer", "50000 100000", 9_000_000);
    expect(readCpu(machine({ ...V2, ...own, ...outer }), 4)).toEqual({ processors: 0.5, usedMs: 9000 });
  });

  test("is that of the cgroup which has a limit, in version 1", () => {
    const own = v1Group("outer/own", 150_000, 2e9);
    expect(readCpu(machine({ ...V1, ...own }), 4)).toEqual({ processors: 1.5, usedMs: 2000 });
    const outer = v1Group("outer", 50_000, 9e9);
    expect(readCpu(machine({ ...V1, ...own, ...outer }), 4)).toEqual({ processors: 0.5, usedMs: 9000 });
  });

  test("is that of the mount's own group in a container that sees the host's path", () => {
    const files = { ...V2, "proc/self/cgroup": "0::/docker/abc\n", ...v2Group(".", "200000 100000", 1000) };
    expect(readCpu(machine(files), 4)).toEqual({ processors: 2, usedMs: 1 });
  });

  test("is the own group's where the affinity leaves fewer processors", () => {
    const own = v2Group("outer/own", "max 100000", 3000);
    expect(readCpu(machine({ ...V2, ...own }), 1)).toEqual({ processors: 1, usedMs: 3 });
  });
});
