import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { cgroupPlace, groupsAround } from "../../../src/host/cgroup-place.ts";
import { until } from "../../helpers/daemon.ts";
import { isGroupRemoved, memoryGroupFor } from "../../helpers/memory-cgroup.ts";
import { mountInfo } from "../../helpers/mount-info.ts";
import { namespaceFor } from "../../helpers/namespaces.ts";
import { startObserver } from "../../helpers/observer.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A machine with these groups below `mount`, where this process is told to be in the group `path` of version 1. */
function machine(path: string, groups: readonly string[], mounts: (mount: string) => string): string {
  const root = mkdtempSync(join(tmpdir(), "guestd-place-"));
  folders.push(root);
  for (const group of groups) mkdirSync(join(root, "mount", group), { recursive: true });
  const files = { cgroup: `4:cpu,memory:${path}\n0::/\n`, mountinfo: mounts(join(root, "mount")) };
  for (const [name, text] of Object.entries(files)) {
    const file = join(root, "proc", "self", name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return root;
}

const shows = (root: string) => (mount: string) =>
  mountInfo({ root, point: mount, type: "cgroup", options: "rw,cpu,memory" });

/** Where that is, from the mount on; empty for the mount itself. */
function placeOn(root: string): string | undefined {
  const place = cgroupPlace("memory", join(root, "proc"));
  expect(place?.mount).toBe(join(root, "mount"));
  return place?.directory.slice(place.mount.length);
}

describe("the cgroup of a process", () => {
  test("is found below the mount", () => {
    expect(placeOn(machine("/a/b", ["a/b"], shows("/")))).toBe("/a/b");
    expect(placeOn(machine("/", ["a/b"], shows("/")))).toBe("");
  });

  test("is found in a container that is told the host's path, also when it is a nested one", () => {
    expect(placeOn(machine("/docker/abc", ["nested"], shows("/docker/abc")))).toBe("");
    expect(placeOn(machine("/docker/abc/nested", ["nested"], shows("/docker/abc")))).toBe("/nested");
    expect(placeOn(machine("/docker/abcnested", ["nested"], shows("/docker/abc")))).toBe("");
  });

  test("is the mount itself where neither says what the other is", () => {
    expect(placeOn(machine("/docker/abc", ["docker"], shows("/")))).toBe("");
    expect(placeOn(machine("/", ["a"], shows("/../..")))).toBe("");
    expect(placeOn(machine("/../proc", ["a"], shows("/")))).toBe("");
  });

  test("is found by the mount that hides the others, and below a name with a blank", () => {
    const root = machine("/docker/abc/nested", ["nested"], (mount) => shows("/")(mount) + shows("/docker/abc")(mount));
    expect(placeOn(root)).toBe("/nested");
    const blank = machine("/a b", ["a b"], (mount) => shows("/")(mount.replaceAll("guestd", String.raw`\147uestd`)));
    expect(placeOn(blank)).toBe("/a b");
  });

  test("has those up to the mount around it", () => {
    expect(groupsAround({ directory: "/m/a/b", mount: "/m" })).toEqual(["/m/a/b", "/m/a", "/m"]);
    expect(groupsAround({ directory: "/m", mount: "/m" })).toEqual(["/m"]);
  });
});

test("a nested memory cgroup is found where the mount shows a part of the real tree", async (context) => {
  const mounts = namespaceFor(context, "--mount");
  await using outer = memoryGroupFor(context, 2 ** 30);
  const nested = join(outer.directory, "nested");
  mkdirSync(nested);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => until(() => isGroupRemoved(nested)));
  const mount = cgroupPlace("memory")?.mount ?? cgroupPlace("unified")?.mount ?? "";
  const inContainer = 'mount --bind "$0" "$1" && shift && exec "$@"';
  const through = [...mounts, "sh", "-c", inContainer, outer.directory, mount];
  const observer = startObserver({ file: "host/cgroup.ts", expression: "host.memoryCgroup()", through });
  writeFileSync(join(nested, "cgroup.procs"), String(observer.pid));
  expect(await observer.look()).toMatchObject({ directory: join(mount, "nested") });
});
