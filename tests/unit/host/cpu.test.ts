import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type CpuReading, readCpu } from "../../../src/host/cpu.ts";
import { cpuGroupFor } from "../../helpers/cpu-cgroup.ts";
import { mountInfo } from "../../helpers/mount-info.ts";
import { startObserver } from "../../helpers/observer.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A machine of four unlike processors whose kernel tells these files; `ROOT` stands for the folder that they are in. */
function machine(files: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), "guestd-cpu-"));
  folders.push(root);
  const lines = [10, 20, 30, 40].map((user, index) => `cpu${index} ${user} 5 10 1000 3 1 2 4 0 0\n`).join("");
  const all = {
    "proc/stat": `cpu  100 20 40 4000 12 4 8 16 0 0\n${lines}intr 0\n`,
    "proc/self/status": "Name:\tnode\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\nMems_allowed_list:\t0\n",
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text.replaceAll("ROOT", root));
  }
  return join(root, "proc");
}

const allowed = (list: string): Record<string, string> => ({ "proc/self/status": `Cpus_allowed_list:\t${list}\n` });

const V1 = {
  "proc/self/cgroup": "5:cpuacct:/outer/own\n4:cpu:/outer/own\n3:cpuset:/\n",
  "proc/self/mountinfo": mountInfo(
    { point: "ROOT/cpuset", type: "cgroup", options: "rw,cpuset" },
    { point: "ROOT/cpu", type: "cgroup", options: "rw,cpu" },
    { point: "ROOT/acct", type: "cgroup", options: "rw,cpuacct" },
  ),
};
const v1Group = (name: string, quota: number, usedNs: number): Record<string, string> => ({
  [`cpu/${name}/cpu.cfs_quota_us`]: `${quota}\n`,
  [`cpu/${name}/cpu.cfs_period_us`]: "100000\n",
  [`acct/${name}/cpuacct.usage`]: `${usedNs}\n`,
});
const V2 = {
  "proc/self/cgroup": "0::/outer/own\n",
  "proc/self/mountinfo": mountInfo({ point: "ROOT/groups", type: "cgroup2" }),
};
const v2Group = (name: string, max: string | undefined, usedUs: number): Record<string, string> => ({
  ...(max !== undefined && { [`groups/${name}/cpu.max`]: `${max}\n` }),
  [`groups/${name}/cpu.stat`]: `usage_usec ${usedUs}\nuser_usec 1\nsystem_usec 1\n`,
});

describe("processor time", () => {
  test("is the machine's where nothing limits it; what waits or was stolen is not used", () => {
    const free = { processors: 4, usedMs: 1720 };
    expect(readCpu(machine())).toEqual(free);
    expect(readCpu(machine({ ...V2, ...v2Group("outer/own", "max 100000", 7) }))).toEqual(free);
    expect(readCpu(machine({ ...V1, ...v1Group("outer/own", -1, 7) }))).toEqual(free);
    // A limit of more than there is limits nothing.
    expect(readCpu(machine({ ...V2, ...v2Group("outer/own", "800000 100000", 7) }))).toEqual(free);
  });

  test("is that of the cgroup which has a limit, in version 2", () => {
    const own = v2Group("outer/own", "350000 100000", 2_000_000);
    expect(readCpu(machine({ ...V2, ...own }))).toEqual({ processors: 3.5, usedMs: 2000 });
    const outer = v2Group("outer", "50000 100000", 9_000_000);
    expect(readCpu(machine({ ...V2, ...own, ...outer }))).toEqual({ processors: 0.5, usedMs: 9000 });
  });

  test("is that of a cgroup whose limit is above one without the controller", () => {
    const own = { ...v2Group("outer/own", undefined, 2_000_000), ...v2Group(".", undefined, 99_000_000) };
    const outer = v2Group("outer", "150000 100000", 9_000_000);
    expect(readCpu(machine({ ...V2, ...own, ...outer }))).toEqual({ processors: 1.5, usedMs: 9000 });
  });

  test("is that of the cgroup which has a limit, in version 1", () => {
    const own = v1Group("outer/own", 350_000, 2e9);
    expect(readCpu(machine({ ...V1, ...own }))).toEqual({ processors: 3.5, usedMs: 2000 });
    const outer = v1Group("outer", 50_000, 9e9);
    expect(readCpu(machine({ ...V1, ...own, ...outer }))).toEqual({ processors: 0.5, usedMs: 9000 });
  });

  test("is counted where this process is counted, when that is another group than the one with the limit", () => {
    const proc = machine({
      ...V1,
      "proc/self/cgroup": "5:cpuacct:/elsewhere\n4:cpu:/outer/own\n",
      "cpu/outer/own/cpu.cfs_quota_us": "150000\n",
      "cpu/outer/own/cpu.cfs_period_us": "100000\n",
      "acct/elsewhere/cpuacct.usage": "3000000000\n",
    });
    expect(readCpu(proc)).toEqual({ processors: 1.5, usedMs: 3000 });
  });

  test("is that of the mount's own group in a container that sees the host's path", () => {
    const files = { ...V2, "proc/self/cgroup": "0::/docker/abc\n", ...v2Group(".", "200000 100000", 1000) };
    expect(readCpu(machine(files))).toEqual({ processors: 2, usedMs: 1 });
  });

  test("is that of the processors which the affinity leaves, where that is less than a cgroup does", () => {
    const own = { processors: 2, usedMs: (10 + 30 + 2 * 18) * 10 };
    expect(readCpu(machine(allowed("0,2")))).toEqual(own);
    const files = { ...V2, ...allowed("0,2"), ...v2Group("outer/own", "max 100000", 3000) };
    expect(readCpu(machine(files))).toEqual(own);
    const limited = { ...files, ...v2Group("outer/own", "150000 100000", 3000) };
    expect(readCpu(machine(limited))).toEqual({ processors: 1.5, usedMs: 3 });
  });

  test("is that of all processors there are in a container that is shown its own, counted anew", () => {
    expect(readCpu(machine(allowed("6-9")))).toEqual({ processors: 4, usedMs: 1720 });
    expect(readCpu(machine(allowed("3-6")))).toEqual({ processors: 4, usedMs: 1720 });
  });
});

describe("of this machine, processor time", () => {
  const CPU = { file: "host/cpu.ts", expression: "host.readCpu()" };

  test("is that of one processor for a program that is bound to it", async () => {
    const reading = (await startObserver({ ...CPU, through: ["taskset", "--cpu-list", "0"] }).look()) as CpuReading;
    expect(reading).toEqual({ processors: 1, usedMs: expect.any(Number) });
    expect(reading.usedMs).toBeGreaterThan(0);
  });

  test("is a part of a processor in a cgroup that leaves no more", async (context) => {
    await using group = cpuGroupFor(context, 0.5);
    const observer = startObserver(CPU);
    group.add(observer.pid);
    const reading = (await observer.look()) as CpuReading;
    expect(reading).toEqual({ processors: 0.5, usedMs: expect.any(Number) });
    expect(reading.usedMs).toBeLessThan(60_000);
  });
});
