import type { Dirent } from "node:fs";
import { type ClientRequest, request } from "node:http";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { STATE_LOCK } from "../../src/host/state-lock.ts";
import { until } from "../helpers/daemon.ts";
import { type ForkedDaemon, startForkedDaemon } from "../helpers/forked-daemon.ts";

const SENT_BYTES = 4_000_000;

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "guestd-killed-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const FORM_HEAD = '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n';
const FORMS = [
  { name: "a raw body", type: "application/octet-stream", head: "" },
  { name: "a form", type: "multipart/form-data; boundary=b", head: FORM_HEAD },
];

test.each(FORMS)("a daemon that is killed while $name comes leaves the old content, and nothing else", async (form) => {
  const files = join(folder, "files");
  await mkdir(files);
  await writeFile(join(files, "old"), "old");
  await using daemon = await startForkedDaemon([], { temporaryFolder: folder });
  const uploads = ["old", "new", "deep/er/new"].map((name) => beginUpload(daemon, join(files, name), form));
  await until(async () => (await heldSizes(daemon.pid, folder)).filter((size) => size > 0).length === 3);
  await daemon.kill();
  for (const upload of uploads) upload.destroy();
  expect(await readdir(files, { recursive: true })).toEqual(["old"]);
  expect(await readFile(join(files, "old"), "utf8")).toBe("old");
  // What the daemon keeps for itself has directories, but nothing in them, beside its lock.
  const left = await readdir(folder, { recursive: true, withFileTypes: true });
  expect(left.filter(isLeft).map(({ name }) => name)).toEqual(["old"]);
});

/** A file, and none of what the test's daemon is started from or locks. */
function isLeft(entry: Dirent): boolean {
  return entry.isFile() && entry.name !== STATE_LOCK && !entry.parentPath.includes("guestd-forked-root-");
}

/** Sends the first part of an upload whose rest never comes. */
function beginUpload({ port }: ForkedDaemon, path: string, { type, head }: (typeof FORMS)[number]): ClientRequest {
  const query = new URLSearchParams({ path }).toString();
  const headers = { "Content-Type": type, "Content-Length": 2 * SENT_BYTES };
  const upload = request({ port, path: `/files?${query}`, method: "POST", headers, agent: false });
  upload.on("error", () => undefined); // the daemon is killed
  upload.write(head);
  upload.write(Buffer.alloc(SENT_BYTES, "new"));
  return upload;
}

/** Sizes of the files that a process has open below `directory`, but for its lock. */
async function heldSizes(pid: number, directory: string): Promise<number[]> {
  const sizes: number[] = [];
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${fd}`;
    try {
      const [held, name] = [await stat(path), await readlink(path)];
      if (held.isFile() && name.startsWith(directory) && basename(name) !== STATE_LOCK) sizes.push(held.size);
    } catch {
      continue; // closed while we looked
    }
  }
  return sizes;
}
