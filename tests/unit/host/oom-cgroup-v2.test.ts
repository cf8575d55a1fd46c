import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { memoryCgroup } from "../../../src/host/cgroup.ts";
import { OomWatch } from "../../../src/host/oom.ts";
import { mountInfo } from "../../helpers/mount-info.ts";

/*
 * Trees as the kernel's documentation of the unified hierarchy has them; the machine that runs this may have another. The root group
 * has no `memory.events`; those of a group count its descendants too, `memory.events.local` does not.
 */
const MOUNTS = (mount: string): string =>
  mountInfo(
    { point: "/proc", type: "proc" },
    { point: mount, type: "cgroup2", options: "rw,nsdelegate,memory_recursiveprot" },
    { point: "/run", type: "tmpfs" },
  );
const HYBRID_MOUNTS = (mount: string): string =>
  mountInfo(
    { point: mount, type: "tmpfs" },
    { point: `${mount}/unified`, type: "cgroup2", options: "rw,nsdelegate" },
    { point: `${mount}/memory`, type: "cgroup", options: "rw,memory" },
    { point: `${mount}/cpu,cpuacct`, type: "cgroup", options: "rw,cpu,cpuacct" },
  );
const EVENTS = (kills: number): string =>
  `low 0\nhigh 12\nmax 482\noom ${kills}\noom_kill ${kills}\noom_group_kill 0\n`;

const WALL_MS = 1000;
const PID = 4711;

let folder = "";
let proc = "";
let mount = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-cgroup-v2-"));
  proc = join(folder, "proc");
  mount = join(folder, "cgroup");
  write(join(proc, "self", "mountinfo"), MOUNTS(mount));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** A group as the kernel shows it; `kills` counts its descendants, `localKills` only its own. */
function group(path: string, options: { kills?: number; localKills?: number } = {}): string {
  const { kills = 0, localKills = kills } = options;
  const directory = join(mount, path);
  write(join(directory, "cgroup.procs"), `${process.pid}\n`);
  write(join(directory, "memory.max"), "268435456\n");
  write(join(directory, "memory.events"), EVENTS(kills));
  write(join(directory, "memory.events.local"), EVENTS(localKills));
  return directory;
}

function beIn(path: string): void {
  write(join(proc, "self", "cgroup"), `0::${path}\n`);
}

describe("the memory cgroup of the unified hierarchy", () => {
  test("is the one that the process is in", () => {
    group("/system.slice");
    const directory = group("/system.slice/guestd.service");
    beIn("/system.slice/guestd.service");
    expect(memoryCgroup(proc)).toMatchObject({ version: 2, directory, eventsFile: join(directory, "memory.events") });
  });

  test("is the nearest that has the controller", () => {
    const directory = group("/system.slice");
    write(join(mount, "system.slice", "guestd.service", "cgroup.procs"), "");
    beIn("/system.slice/guestd.service");
    expect(memoryCgroup(proc)).toMatchObject({ directory, groups: [directory, mount] });
  });

  test("is the mount itself in a container that is told the host's path", () => {
    const directory = group("/");
    beIn("/system.slice/docker-0123.scope");
    expect(memoryCgroup(proc)).toMatchObject({ version: 2, eventsFile: join(directory, "memory.events") });
  });

  test("is none in the root group, which counts nothing, nor without the controller", () => {
    write(join(mount, "cgroup.procs"), `${process.pid}\n`);
    beIn("/");
    expect(memoryCgroup(proc)).toBeUndefined();
  });

  test("gives way to that of v1 where both are mounted: one of them has the controller", () => {
    write(join(proc, "self", "mountinfo"), HYBRID_MOUNTS(mount));
    write(join(proc, "self", "cgroup"), "9:memory:/box\n4:cpu,cpuacct:/\n0::/box\n");
    write(join(mount, "unified", "box", "cgroup.procs"), "");
    const control = join(mount, "memory", "box", "memory.oom_control");
    write(control, "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    expect(memoryCgroup(proc)).toMatchObject({ version: 1, directory: dirname(control), eventsFile: control });
  });

  test("is none where nothing is mounted, or nothing is told", () => {
    beIn("/");
    write(join(proc, "self", "mountinfo"), mountInfo({ point: "/proc", type: "proc" }));
    expect(memoryCgroup(proc)).toBeUndefined();
    expect(memoryCgroup(join(folder, "nowhere"))).toBeUndefined();
  });
});

describe("a kill that the unified hierarchy counts", () => {
  test("is likely the program's when the counter rose while it ran, also in a group below", async () => {
    group("/box", { kills: 3, localKills: 1 });
    beIn("/box");
    await using watch = new OomWatch({ counterFile: memoryCgroup(proc)?.eventsFile });
    const before = watch.recentCount();
    expect(before).toBe(3);
    expect(await watch.verdict(PID, before, WALL_MS)).toBeUndefined();
    group("/box", { kills: 4, localKills: 1 });
    expect(await watch.verdict(PID, before, WALL_MS)).toBe("likely");
  });

  test("is nobody's when other counters rose", async () => {
    const directory = group("/box", { kills: 3 });
    beIn("/box");
    await using watch = new OomWatch({ counterFile: memoryCgroup(proc)?.eventsFile });
    write(join(directory, "memory.events"), "low 9\nhigh 99\nmax 999\noom 9\noom_kill 3\noom_group_kill 9\n");
    expect(await watch.verdict(PID, 3, WALL_MS)).toBeUndefined();
  });

  test("is not told when the group is gone meanwhile", async () => {
    const directory = group("/box", { kills: 3 });
    beIn("/box");
    await using watch = new OomWatch({ counterFile: memoryCgroup(proc)?.eventsFile });
    const before = watch.recentCount();
    rmSync(directory, { recursive: true });
    expect(await watch.verdict(PID, before, WALL_MS)).toBeUndefined();
  });
});
