import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { writableCgroup } from "../../../src/host/cgroup.ts";
import { type Pressure, readPressure } from "../../../src/host/pressure.ts";
import { until } from "../../helpers/daemon.ts";
import { isGroupRemoved } from "../../helpers/memory-cgroup.ts";
import { mountInfo } from "../../helpers/mount-info.ts";
import { startObserver } from "../../helpers/observer.ts";
import { skipTest } from "../../helpers/skip.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A process in the group `/own` of version 2 on a machine with these files; returns where the kernel tells. */
function machine(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "guestd-pressure-"));
  folders.push(root);
  const all = {
    "proc/self/cgroup": "0::/own\n",
    "proc/self/mountinfo": mountInfo({ point: join(root, "groups"), type: "cgroup2" }),
    "groups/own/cgroup.procs": "",
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return join(root, "proc");
}

const line = (kind: string, total: number): string => `${kind} avg10=0.12 avg60=0.00 avg300=1.50 total=${total}\n`;
const MACHINE = {
  "proc/pressure/cpu": line("some", 9_000_000),
  "proc/pressure/memory": line("some", 8_000_000) + line("full", 7_000_000),
  "proc/pressure/io": line("some", 6_000_000) + line("full", 5_000_000),
};

describe("time in which programs waited", () => {
  test("is the machine's where no cgroup counts, and may lack that of all programs", () => {
    const own: Pressure[] = [
      { resource: "cpu", someSeconds: 9, fullSeconds: undefined },
      { resource: "memory", someSeconds: 8, fullSeconds: 7 },
      { resource: "io", someSeconds: 6, fullSeconds: 5 },
    ];
    expect(readPressure(machine(MACHINE))).toEqual(own);
    expect(readPressure(machine({ ...MACHINE, "proc/self/cgroup": "4:memory:/own\n" }))).toEqual(own);
  });

  test("is that of the cgroup which this process is in, where that counts", () => {
    const group = {
      "groups/own/cpu.pressure": line("some", 2_500_000) + line("full", 1_000_000),
      "groups/own/memory.pressure": line("some", 0) + line("full", 0),
    };
    expect(readPressure(machine({ ...MACHINE, ...group }))).toEqual([
      { resource: "cpu", someSeconds: 2.5, fullSeconds: 1 },
      { resource: "memory", someSeconds: 0, fullSeconds: 0 },
      { resource: "io", someSeconds: 6, fullSeconds: 5 },
    ]);
  });

  test("is not told by a kernel that does not count it", () => {
    expect(readPressure(machine({}))).toEqual([]);
    expect(readPressure("/nowhere")).toEqual([]);
  });

  test("is not that of others for a program in a cgroup of its own", async (context) => {
    const parent = writableCgroup();
    if (parent === undefined || !existsSync(join(parent, "cpu.pressure"))) {
      return skipTest(context, "no cgroup of version 2 can be made here, or it does not count");
    }
    const group = join(parent, `guestd-test-pressure-${process.pid}`);
    mkdirSync(group);
    await using stack = new AsyncDisposableStack();
    stack.defer(() => until(() => isGroupRemoved(group)));
    const observer = startObserver({ file: "host/pressure.ts", expression: "host.readPressure()" });
    writeFileSync(join(group, "cgroup.procs"), String(observer.pid));
    const [cpu] = (await observer.look()) as Pressure[];
    const total = /^some .*total=(\d+)$/m.exec(readFileSync(join(group, "cpu.pressure"), "latin1"))?.[1];
    expect(cpu?.someSeconds).toBeLessThanOrEqual(Number(total) / 1e6);
  });
});
