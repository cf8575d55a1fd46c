import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, type TestContext } from "vitest";
import { processState } from "../../src/host/process-tree.ts";
import { startBuiltDaemon } from "../helpers/built-daemon.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { skipTest } from "../helpers/skip.ts";

const IMAGE_BYTES = 8 * 1024 * 1024;
/** What mount says of EPERM and EACCES, and when it is not root that asks. */
const IS_FORBIDDEN = /permission denied|not permitted|only root|must be superuser/i;

let folder = "";
let mounted: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-freeze-files-"));
  mounted = [];
});
afterEach(() => {
  for (const point of mounted) execFileSync("umount", ["-l", point]);
  rmSync(folder, { recursive: true });
});

/**
 * Mounts what may be frozen: a file system of its own, whatever else goes wrong. Where this machine lets nobody mount the test is
 * skipped and says why; whatever else is in the way, like a missing mkfs.ext4, is a failure.
 */
function mount(context: TestContext, type: "ext4" | "tmpfs"): string {
  const point = join(folder, type);
  const image = join(folder, "image");
  mkdirSync(point);
  if (type === "ext4") {
    writeFileSync(image, "");
    truncateSync(image, IMAGE_BYTES);
    execFileSync("mkfs.ext4", ["-q", "-F", image], { stdio: "pipe" });
  }
  const argv = type === "ext4" ? ["-o", "loop", image, point] : ["-t", "tmpfs", "none", point];
  const { error, status, stderr } = spawnSync("mount", argv, {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error) throw error;
  if (status !== 0) {
    const reason = `mount ${argv.join(" ")}: ${stderr.trim()}`;
    if (IS_FORBIDDEN.test(stderr)) return skipTest(context, reason);
    throw new Error(reason);
  }
  mounted.push(point);
  if (statSync(point).dev === statSync("/").dev) throw new Error(`${point} is no file system of its own`);
  return point;
}

function ask(daemon: TestDaemon, path: "/fsfreeze" | "/fsthaw"): Promise<Response> {
  return daemon.fetch(path, { method: "POST" });
}

async function failureOf(answer: Response): Promise<string> {
  expect(answer.status).toBe(500);
  const { code, message } = (await answer.json()) as { code: number; message: string };
  expect(code).toBe(500);
  return message;
}

/** A program that writes to a file, and waits for the disk as long as it may not. */
function startWriter(file: string): ChildProcess {
  return spawn("/bin/sh", ["-c", 'echo written > "$1"', "sh", file], { stdio: "ignore" });
}

describe("/fsfreeze and /fsthaw", () => {
  test("hold up who writes, not guestd, however often each is called", async (context) => {
    const point = mount(context, "ext4");
    await using daemon = await startTestDaemon({ argv: ["--freezable-fs", point] });
    expect((await ask(daemon, "/fsthaw")).status).toBe(204);
    expect([(await ask(daemon, "/fsfreeze")).status, (await ask(daemon, "/fsfreeze")).status]).toEqual([204, 204]);
    const file = join(point, "file");
    const writers = Array.from({ length: 8 }, () => startWriter(file));
    const exits = writers.map((writer) => once(writer, "exit"));
    await until(() => writers.every(({ pid = 0 }) => processState(pid) === "D"));
    // Uploads are stuck in all threads of the pool: the thaw must not wait for one of them.
    const uploads = Array.from({ length: 8 }, (_, index) =>
      daemon.fetch(`/v1/files${point}/upload${index}`, { method: "PUT", body: "uploaded" }),
    );
    expect((await daemon.fetch("/health")).status).toBe(204);
    expect((await ask(daemon, "/fsthaw")).status).toBe(204);
    expect((await Promise.all(exits)).map(([code]) => code as number)).toEqual(writers.map(() => 0));
    expect((await Promise.all(uploads)).map(({ ok }) => ok)).toEqual(uploads.map(() => true));
    expect(readFileSync(file, "utf8")).toBe("written\n");
  });

  test("what is frozen is thawed when the daemon ends", async (context) => {
    const point = mount(context, "ext4");
    const daemon = await startTestDaemon({ argv: ["--freezable-fs", point] });
    expect((await ask(daemon, "/fsfreeze")).status).toBe(204);
    await daemon[Symbol.asyncDispose]();
    const [code] = (await once(startWriter(join(point, "file")), "exit")) as [number];
    expect(code).toBe(0);
  });

  test("the end of a daemon whose socket file is on what is frozen waits for nobody", async (context) => {
    const point = mount(context, "ext4");
    const socket = join(point, "socket");
    // In a process of its own: it would hang where nothing can end it.
    const argv = ["--freezable-fs", point, "--listen", `unix:${socket}`, "--kernels="];
    const daemon = await startBuiltDaemon({ argv });
    expect((await fetch(`${daemon.url}/fsfreeze`, { method: "POST" })).status).toBe(204);
    let hasEnded = false;
    const ending = daemon[Symbol.asyncDispose]().then(() => (hasEnded = true));
    try {
      await until(() => hasEnded);
      expect(existsSync(socket)).toBe(false);
    } finally {
      if (!hasEnded) execFileSync("fsfreeze", ["--unfreeze", point]);
      await ending;
    }
  });

  test("one that guestd itself has to write to is not frozen", async (context) => {
    const point = mount(context, "ext4");
    await using daemon = await startTestDaemon({
      argv: ["--freezable-fs", point, "--state-dir", join(point, "state")],
    });
    expect(await failureOf(await ask(daemon, "/fsfreeze"))).toContain("state directory");
    expect((await ask(daemon, "/fsthaw")).status).toBe(204);
  });

  test("one that cannot be frozen is told as such", async (context) => {
    const point = mount(context, "tmpfs");
    await using daemon = await startTestDaemon({ argv: ["--freezable-fs", point] });
    expect(await failureOf(await ask(daemon, "/fsfreeze"))).toMatch(/cannot freeze the file system.*not supported/);
    await using other = await startTestDaemon({ argv: ["--freezable-fs", join(folder, "nowhere")] });
    expect(await failureOf(await ask(other, "/fsfreeze"))).toContain("nowhere");
  });

  test("none is unless that was asked for", async () => {
    await using daemon = await startTestDaemon();
    expect(await failureOf(await ask(daemon, "/fsfreeze"))).toContain("--freezable-fs");
    expect(await failureOf(await ask(daemon, "/fsthaw"))).toContain("--freezable-fs");
  });
});
