import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { post } from "../helpers/native-runs.ts";

/**
 * A machine whose `mount` is a script: it notes its arguments and environment, and enters what it was asked for into the list of mounts;
 * for a server called `broken` it fails, for one called `silent` it never ends, for
 * one called `slow` it waits for the file `go on`.
 */
class Place implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "guestd-volumes-"));
  readonly mounts = join(this.folder, "mountinfo");
  daemon!: TestDaemon;

  static async make(mountBudgetMs = 10_000): Promise<Place> {
    const place = new Place();
    const { folder, mounts } = place;
    const programs = join(folder, "bin");
    mkdirSync(programs);
    writeFileSync(mounts, "1 0 0:1 / / rw - tmpfs none rw\n");
    const script = `#!/bin/sh
tr '\\0' '\\n' < /proc/$$/environ > '${folder}/environment'
for argument; do printf '%s\\n' "$argument"; done >> '${folder}/arguments'
echo >> '${folder}/arguments'
case $6 in
  broken:*) echo 'mount.nfs: some words' >&2; echo 'mount.nfs: access denied by server' >&2; exit 32 ;;
  slow:*) echo $$ > '${folder}/pid'; until [ -e '${folder}/go on' ]; do sleep 0.01; done ;;
  silent:*) echo $$ > '${folder}/pid'; exec sleep 600 ;;
esac
printf '2 1 0:2 / %s rw - nfs %s rw\\n' "$(printf '%s' "$7" | sed 's/ /\\\\040/g')" "$6" >> '${mounts}'
`;
    writeFileSync(join(programs, "mount"), script);
    chmodSync(join(programs, "mount"), 0o755);
    place.daemon = await startTestDaemon({
      env: { PATH: `${programs}:${process.env["PATH"]}` },
      places: { mountList: mounts, mountBudgetMs },
    });
    return place;
  }

  /** Mounts at paths in the folder. */
  async mount(...volumes: [target: string, path: string][]): Promise<[status: number, text: string]> {
    const volumeMounts = volumes.map(([nfs_target, path]) => ({ nfs_target, path: join(this.folder, path) }));
    const answer = await post(this.daemon.url, "/init", { volumeMounts, envVars: { PATH: "/nowhere", OTHER: "x" } });
    return [answer.status, await answer.text()];
  }

  /** The arguments of each `mount` so far. */
  get calls(): string[][] {
    const path = join(this.folder, "arguments");
    const calls = existsSync(path) ? readFileSync(path, "utf8").split("\n\n").slice(0, -1) : [];
    return calls.map((call) => call.split("\n"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true });
  }
}

const OPTIONS = "nfsvers=3,proto=tcp,port=2049,mountproto=tcp,mountport=2049,nolock,noac,lookupcache=none";

test("volumes are mounted by the system's mount, in order, with their directories made, and once", async () => {
  await using place = await Place.make();
  const { folder } = place;
  const volumes: [string, string][] = [
    ["server:/a dir; touch x", "with space/a"],
    ["[fd00::1]:/b", "b"],
  ];
  expect(await place.mount(...volumes)).toEqual([204, ""]);
  expect(place.calls).toEqual([
    ["-t", "nfs", "-o", OPTIONS, "--", "server:/a dir; touch x", join(folder, "with space/a")],
    ["-t", "nfs", "-o", OPTIONS, "--", "[fd00::1]:/b", join(folder, "b")],
  ]);
  expect([existsSync(join(folder, "with space/a")), existsSync(join(folder, "b"))]).toEqual([true, true]);
  expect(readFileSync(join(folder, "environment"), "utf8")).not.toContain("OTHER");
  expect(await place.mount(["[fd00::1]:/b", "x/../b/"])).toEqual([204, ""]);
  symlinkSync("b", join(folder, "link"));
  expect(await place.mount(["[fd00::1]:/b", "link"])).toEqual([204, ""]);
  expect(place.calls).toHaveLength(2);
});

test("a volume that cannot be mounted is 400 with the words of mount; all else is applied, and the next try may do better", async () => {
  await using place = await Place.make();
  expect(await place.mount(["server:/a", "a"], ["broken:/b", "b"], ["server:/c", "c"])).toEqual([
    400,
    `cannot mount "broken:/b" at "${join(place.folder, "b")}": mount.nfs: access denied by server`,
  ]);
  expect(place.calls.map((call) => call[5])).toEqual(["server:/a", "broken:/b"]);
  expect(await (await place.daemon.fetch("/envs")).json()).toMatchObject({ OTHER: "x" });
  expect(await place.mount(["server:/a", "a"], ["better:/b", "b"])).toEqual([204, ""]);
  expect(place.calls.map((call) => call[5])).toEqual(["server:/a", "broken:/b", "better:/b"]);
});

test("calls that come at once take turns, and each volume is mounted once", async () => {
  await using place = await Place.make();
  const answers = await Promise.all(["a", "b", "a", "b", "a"].map((path) => place.mount([`server:/${path}`, path])));
  expect(answers).toEqual(Array.from({ length: 5 }, () => [204, ""]));
  expect(place.calls.map((call) => call[5] ?? "").toSorted()).toEqual(["server:/a", "server:/b"]);
});

test("nothing is mounted over another mount", async () => {
  await using place = await Place.make();
  expect(await place.mount(["server:/a", "a"])).toEqual([204, ""]);
  expect(await place.mount(["server:/other", "a"])).toEqual([
    400,
    expect.stringContaining("something else is mounted there (nfs)"),
  ]);
  expect(place.calls).toHaveLength(1);
});

test.skipIf(process.geteuid?.() !== 0)("nothing is made or mounted where a link of another user's leads", async () => {
  await using place = await Place.make();
  const link = join(place.folder, "link");
  mkdirSync(join(place.folder, "there"));
  symlinkSync("there", link);
  lchownSync(link, 65_534, 65_534);
  symlinkSync("link/below", join(place.folder, "own"));
  const refused = expect.stringContaining(`${JSON.stringify(link)} is a link of user 65534's`);
  for (const path of ["link", "link/below", "own"])
    expect(await place.mount(["server:/a", path])).toEqual([400, refused]);
  expect([place.calls, readdirSync(join(place.folder, "there"))]).toEqual([[], []]);
  lchownSync(link, 0, 0);
  expect(await place.mount(["server:/a", "link/below"])).toEqual([204, ""]);
  symlinkSync("loop", join(place.folder, "loop"));
  expect(await place.mount(["server:/a", "loop"])).toEqual([400, expect.stringContaining("loop")]);
});

test("a path that cannot be made is 400", async () => {
  await using place = await Place.make();
  writeFileSync(join(place.folder, "file"), "");
  expect(await place.mount(["server:/a", "file/below"])).toEqual([400, expect.stringContaining("not a directory")]);
  // A call of Node's own to make it would never come back.
  const volumeMounts = [{ nfs_target: "server:/a", path: "/proc/guestd/a" }];
  const answer = await post(place.daemon.url, "/init", { volumeMounts });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("no such file or directory")]);
  expect(place.calls).toEqual([]);
});

test("a mount that does not end is ended when the time is over, and /init goes on", async () => {
  await using place = await Place.make(1500);
  expect(await place.mount(["silent:/a", "a"], ["server:/b", "b"])).toEqual([
    400,
    `cannot mount "silent:/a" at "${join(place.folder, "a")}": not within 1500 ms`,
  ]);
  const pid = Number(readFileSync(join(place.folder, "pid"), "utf8"));
  await until(() => !existsSync(`/proc/${pid}`));
  expect(await place.mount(["server:/b", "b"])).toEqual([204, ""]);
});

test("an /init thaws also while another one is mounting volumes, which are frozen with all else", async () => {
  await using place = await Place.make();
  const first = place.mount(["slow:/a", "a"], ["server:/b", "b"]);
  await until(() => existsSync(join(place.folder, "pid")));
  const frozen = await place.daemon.fetch("/freeze?maxWaitMs=5000", { method: "POST" });
  expect(await frozen.json()).toMatchObject({ frozen: 1, notFrozen: 0 });
  writeFileSync(join(place.folder, "go on"), "");
  const second = place.mount(["server:/c", "c"]);
  expect([await first, await second]).toEqual([
    [204, ""],
    [204, ""],
  ]);
  expect(place.calls.map((call) => call[5])).toEqual(["slow:/a", "server:/b", "server:/c"]);
});

test("the time of a mount does not pass while it is frozen", async () => {
  await using place = await Place.make(2500);
  const answer = place.mount(["slow:/a", "a"]);
  await until(() => existsSync(join(place.folder, "pid")));
  const freeze = (path: string): Promise<Response> => place.daemon.fetch(path, { method: "POST" });
  expect(await (await freeze("/freeze?maxWaitMs=5000")).json()).toMatchObject({ frozen: 1 });
  await once(spawn("sleep", ["3"]), "exit");
  writeFileSync(join(place.folder, "go on"), "");
  expect((await freeze("/unfreeze")).status).toBe(204);
  expect(await answer).toEqual([204, ""]);
});

test("a machine without mount says so", async () => {
  await using place = await Place.make();
  rmSync(join(place.folder, "bin", "mount"));
  await using bare = await startTestDaemon({ env: { PATH: join(place.folder, "bin") } });
  const volumeMounts = [{ nfs_target: "server:/a", path: join(place.folder, "a") }];
  const answer = await post(bare.url, "/init", { volumeMounts });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("mount: not found")]);
});
